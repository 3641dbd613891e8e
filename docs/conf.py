"""How the documentation site is made (``make docs``): Sphinx, with the repository's own papers as its pages.

The source folder is the repository, so README.md, ARCHITECTURE.md and data/README.md are pages as they lie there, and a
link that holds in the repository holds on the site. Links to other files of the repository hand out a copy of the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "site"))

import coachsim  # noqa: E402

project = "coachsim"
author = "coachsim contributors"
version = release = coachsim.__version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "accessible", "api_page", "command_line", "folders", "widgets"]
root_doc = "docs/index"
include_patterns = ["*.md", "data/README.md", "docs/**.md"]
# Only these folders are looked into: a data folder may be large, and an environment is.
exclude_patterns = sorted(
    entry.name for entry in HERE.parent.iterdir() if entry.is_dir() and entry.name not in ("data", "docs")
)
exclude_patterns += ["data/[a-z]*", "docs/site"]

myst_heading_anchors = 3  # links may name headings, as on a code host, and a wrong name fails the build
highlight_language = "none"
smartquotes = False  # sentences of the product stand here as the product says them

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_display_short_literal_types = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "coachsim"
html_favicon = str(HERE.parent / "coachsim" / "web" / "icon.svg")
html_static_path = ["site/static"]
html_extra_path = ["site/root"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
# Without the theme's place for advertisements.
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
# The colours of the product's pages (coachsim/web/tokens.css).
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {
        "color-brand-primary": "#0f5e6b",
        "color-brand-content": "#0f5e6b",
        "color-brand-visited": "#0f5e6b",
        "color-foreground-primary": "#18212b",
        "color-foreground-secondary": "#586374",
        "color-foreground-muted": "#586374",
        "color-background-secondary": "#f6f7f9",
        "color-code-background": "#f1f3f6",
        "color-api-name": "#0f5e6b",
        "color-api-pre-name": "#586374",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cc9d3",
        "color-brand-content": "#7cc9d3",
        "color-brand-visited": "#7cc9d3",
        "color-foreground-primary": "#e7ecef",
        "color-foreground-secondary": "#a0adb7",
        "color-foreground-muted": "#a0adb7",
        "color-background-primary": "#10161a",
        "color-background-secondary": "#182025",
        "color-code-background": "#1f292f",
        "color-api-name": "#7cc9d3",
        "color-api-pre-name": "#a0adb7",
    },
}
