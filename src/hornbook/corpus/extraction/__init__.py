"""From stored bytes to a document's text: HTML, Markdown, reStructuredText, PDF, DOCX, EPUB, and text read again."""
