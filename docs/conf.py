"""Sphinx configuration. Build: ``python -m sphinx -W --keep-going -n docs build/docs``. Needs no network."""

import re

import allocopt

project = "allocopt"
author = "The allocopt developers"
copyright = "The allocopt developers"
release = version = allocopt.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

html_theme = "furo"
html_title = f"allocopt {release}"

# Links what can be imported; other single backticks (names of parameters) are set in italics.
default_role = "autolink"
nitpicky = True
# Bare names in docstrings are parameters, fields and constants; only full names must lead somewhere.
nitpick_ignore_regex = [("py:obj", r"(RegimeRules\.)?\w+"), ("py:class", r"collections\.abc\.\w+")]
# Types are said in words under "Parameters"; in the signatures they would only repeat them.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False


def _escape_bars(app, what, name, obj, options, lines):
    """Keep absolute values such as |x| from being read as reStructuredText substitutions; code spans stay."""
    for number, line in enumerate(lines):
        parts = re.split(r"(``.*?``)", line)
        lines[number] = "".join(part if part.startswith("``") else part.replace("|", r"\|") for part in parts)


def setup(app):
    app.connect("autodoc-process-docstring", _escape_bars)
