-- migrate:up
CREATE TABLE reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL CHECK (title <> ''),
    author text NOT NULL CHECK (author <> ''),
    diff text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected')),
    opened_at timestamptz NOT NULL DEFAULT now()
);

-- migrate:down
DROP TABLE reviews;
