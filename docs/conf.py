"""Configure Sphinx for `make docs`; the pages are staged by `tools.site`."""

from __future__ import annotations

import pcpo

project = "pcpo"
author = "The pcpo authors"
copyright = author
version = release = pcpo.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "tools.site.extension",
]
root_doc = "index"
language = "en"
smartquotes = False  # quotation marks are those of the source, of code above all

# Pages: Markdown as code hosts read it, with anchors made from headings and formulas between $.
myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]

# API: public names in the order of the source, types as they are written there.
autodoc_default_options = {"member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"

# HTML: nothing is loaded from elsewhere, and search works from files.
html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"pcpo {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_search_summary = False  # a page opened from a file may not read other pages
html_context = {"default_mode": "auto"}
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "primary_sidebar_end": [],
    "navigation_depth": 1,  # deeper entries fold out by buttons that have no name
}
html_sidebars = {"index": [], "gallery": []}
