"""The OmniBridge connector for Tryton ERP servers."""
