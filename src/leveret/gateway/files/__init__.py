"""Files over HTTP: clients put them here, and whoever has a link reads them."""
