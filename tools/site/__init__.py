"""Build the documentation as a site that needs no network: `python -m tools.site`, or `make docs`.

Sphinx makes it from a folder of staged pages (`staging`): the pages of the checkout, whose links to source files become
links to pages of the site, and generated ones: the API (`api`), the gallery of figures (`gallery`), source files.
`links` finds what leads nowhere in the built pages.
"""
