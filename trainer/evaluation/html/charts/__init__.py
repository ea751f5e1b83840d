"""Charts as inline SVG; colours come from the style of the page, so they follow light and dark."""
