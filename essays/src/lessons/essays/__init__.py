"""The book: essays, and the press that reads every source once and writes the site and the PDFs."""
