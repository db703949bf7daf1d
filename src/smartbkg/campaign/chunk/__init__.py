"""One chunk: which events it holds, what is done with them, and the record that makes it count."""
