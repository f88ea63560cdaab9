"""The OmniBridge connector for Mailchimp audiences."""
