"""From the operator's text to frozen settings, one file per step; :mod:`forecaster.config` is the way in.

``document`` (YAML and environment, with the line of every key) → ``models`` (which keys there are) → ``checks`` (what
one key cannot know alone) → ``resolve`` (defaults, frozen settings). ``problem`` is how each of them says what is
wrong, ``text`` and ``topics`` read single values.
"""
