"""The laboratory: claims, trials, statistics, figures, and the readers of real data.

The same in every package: copied from the template under papers/, never edited in the package.
It knows neither the paper nor its claims; `runner` alone asks the package for the list of them.
"""
