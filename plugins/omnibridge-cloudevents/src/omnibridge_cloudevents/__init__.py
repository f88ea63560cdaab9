"""The OmniBridge connector for any system that speaks CloudEvents over HTTP."""
