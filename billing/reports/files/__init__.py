"""Writers: how an answer becomes a file. Each format is one file here."""
