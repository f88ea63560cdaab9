"""The OmniBridge connector for Square points of sale."""
