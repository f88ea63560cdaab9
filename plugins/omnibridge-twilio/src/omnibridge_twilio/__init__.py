"""The OmniBridge connector for Twilio messaging."""
