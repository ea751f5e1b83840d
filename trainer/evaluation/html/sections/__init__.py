"""One module for each section of the report; a section without data is left out, or says how to get them."""
