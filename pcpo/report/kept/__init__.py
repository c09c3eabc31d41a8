"""Write the results that the repository keeps: the head of README.md, the page of results, the table of methods."""
