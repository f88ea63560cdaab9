"""The OmniBridge connector for Shopify shops."""
