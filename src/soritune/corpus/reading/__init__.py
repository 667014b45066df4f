"""What sources share: walking folders, tables, JSON, encodings, field names, loose values."""
