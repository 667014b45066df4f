"""What the tasks about phones share: annotations, languages, tables of the report."""
