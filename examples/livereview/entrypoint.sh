#!/bin/sh
# Waits for the database, brings its tables up to date, then becomes the server.
set -eu

: "${DATABASE_URL:?is not set: the database of LiveReview, postgres://USER:PASSWORD@HOST/NAME}"

seconds=0
until pg_isready --quiet --dbname="$DATABASE_URL"; do
    if [ "$seconds" -ge "${DATABASE_WAIT_SECONDS:-60}" ]; then
        echo "livereview: the database did not answer within $seconds s" >&2
        exit 1
    fi
    seconds=$((seconds + 1))
    sleep 1
done

# No schema dump: the image has no place for one, and nobody reads it there.
dbmate --migrations-dir /usr/share/livereview/migrations --no-dump-schema up
river migrate-up --database-url "$DATABASE_URL"

exec livereview "$@"
