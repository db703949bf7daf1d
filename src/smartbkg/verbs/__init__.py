"""The verbs of the command line as functions: paths or objects in, results that show themselves out."""
