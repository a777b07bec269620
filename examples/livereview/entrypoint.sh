#!/bin/sh
# Waits for the database, brings its tables up to date, then becomes the server.
set -eu

: "${DATABASE_URL:?is not set: the database of LiveReview, postgres://USER:PASSWORD@HOST/NAME}"

# The first process of a container gets no default for signals: without this, it would have to be killed.
trap 'exit 143' TERM
patience=${DATABASE_WAIT_SECONDS:-60}
deadline=$(($(date +%s) + patience))
until pg_isready --quiet --timeout=1 --dbname="$DATABASE_URL"; do
    if [ "$(date +%s)" -ge "$deadline" ]; then
        echo "livereview: the database did not answer within $patience s" >&2
        exit 1
    fi
    sleep 1
done

# No schema dump: the image has no place for one, and nobody reads it there.
dbmate --migrations-dir /usr/share/livereview/migrations --no-dump-schema up
river migrate-up --database-url "$DATABASE_URL"

exec livereview "$@"
