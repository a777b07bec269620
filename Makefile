# The front door: each target is one line that calls `cargo xtask`.
.PHONY: help demo test linker

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1 - \2/p' Makefile

demo: linker ## compiles lrops and builds examples/hello for three platforms, twice
	@cargo xtask demo

test: linker ## everything that has to hold before a commit
	@cargo xtask ci

# cargo itself needs a linker, and one dependency a C compiler; all else is installed by xtask.
linker:
	@command -v cc >/dev/null || { as_root=$$([ "$$(id -u)" = 0 ] || echo sudo); $$as_root apt-get update; $$as_root apt-get install --yes --no-install-recommends gcc libc6-dev; }
