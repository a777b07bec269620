import { useState } from "react";

import * as api from "./api";

interface Properties {
  review: api.Review;
  report: (error: unknown) => void;
}

/** One review. Its comments come when it is opened: the server may still have been looking at the diff before. */
export function Review({ review, report }: Properties) {
  const [state, setState] = useState(review.state);
  const [comments, setComments] = useState<api.Comment[]>([]);

  const load = () => {
    api.review(review.id).then((found) => setComments(found.comments ?? []), report);
  };
  const judge = (verb: "approve" | "reject") => {
    api.judge(review.id, verb).then((judged) => setState(judged.state), report);
  };

  return (
    <details onToggle={load}>
      <summary>
        {review.title} by {review.author}: {state}
      </summary>
      <ul>
        {comments.map((comment, number) => (
          <li key={number}>
            <code>
              {comment.file}:{comment.line}
            </code>{" "}
            {comment.text}
          </li>
        ))}
      </ul>
      <button onClick={() => judge("approve")}>Approve</button>
      <button onClick={() => judge("reject")}>Reject</button>
    </details>
  );
}
