# The front door: each target is one line that calls `cargo xtask` or lrops.

# The project whose images are built, and further flags: make docker-multiarch-push ARGS="--repository registry.example/app"
IMAGE_DIR ?= examples/hello
ARGS ?=
LROPS ?= cargo run --release --quiet --package lrops --

.PHONY: help demo test linker docker-build docker-build-push docker-multiarch docker-multiarch-push docker-multiarch-dry \
	docker-interactive version version-patch version-minor version-major version-patch-dry version-minor-dry version-major-dry

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1 - \2/p' Makefile

demo: linker ## compiles lrops and builds examples/hello for three platforms, twice
	@cargo xtask demo

test: linker ## everything that has to hold before a commit
	@cargo xtask ci

docker-build: linker ## builds the image of IMAGE_DIR for this machine's platform, with ARGS
	@DOCKER_DEFAULT_PLATFORM=local $(LROPS) build $(IMAGE_DIR) $(ARGS)

docker-build-push: linker ## the same, and publishes it
	@DOCKER_DEFAULT_PLATFORM=local $(LROPS) build $(IMAGE_DIR) --push $(ARGS)

docker-multiarch: linker ## builds it for the platforms of its lrops.toml, or for amd64 and arm64
	@$(LROPS) build $(IMAGE_DIR) --multiarch $(ARGS)

docker-multiarch-push: linker ## the same, and publishes it
	@$(LROPS) build $(IMAGE_DIR) --multiarch --push $(ARGS)

docker-multiarch-dry: linker ## shows what would be built, and builds nothing
	@$(LROPS) build $(IMAGE_DIR) --multiarch --dry-run $(ARGS)

docker-interactive: linker ## releases a version of IMAGE_DIR: asks which one, shows the plan, asks before it begins
	@$(LROPS) release -C $(IMAGE_DIR) $(ARGS)

version: linker ## says which version IMAGE_DIR is at
	@$(LROPS) version $(IMAGE_DIR) $(ARGS)

version-patch: linker ## tags the next patch version, and pushes the tag
	@$(LROPS) bump patch -C $(IMAGE_DIR) $(ARGS)

version-minor: linker ## tags the next minor version, and pushes the tag
	@$(LROPS) bump minor -C $(IMAGE_DIR) $(ARGS)

version-major: linker ## tags the next major version, and pushes the tag
	@$(LROPS) bump major -C $(IMAGE_DIR) $(ARGS)

version-patch-dry: linker ## says what version-patch would do
	@$(LROPS) bump patch --dry-run -C $(IMAGE_DIR) $(ARGS)

version-minor-dry: linker ## says what version-minor would do
	@$(LROPS) bump minor --dry-run -C $(IMAGE_DIR) $(ARGS)

version-major-dry: linker ## says what version-major would do
	@$(LROPS) bump major --dry-run -C $(IMAGE_DIR) $(ARGS)

# cargo itself needs a linker, and one dependency a C compiler; all else is installed by xtask.
linker:
	@command -v cc >/dev/null || { as_root=$$([ "$$(id -u)" = 0 ] || echo sudo); $$as_root apt-get update; $$as_root apt-get install --yes --no-install-recommends gcc libc6-dev; }
