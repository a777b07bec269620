-- migrate:up
CREATE TABLE comments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    review bigint NOT NULL REFERENCES reviews ON DELETE CASCADE,
    file text NOT NULL,
    line integer NOT NULL,
    text text NOT NULL
);
CREATE INDEX comments_of_a_review ON comments (review, id);

-- migrate:down
DROP TABLE comments;
