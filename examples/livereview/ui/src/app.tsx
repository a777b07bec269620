import { useEffect, useState } from "react";

import * as api from "./api";
import { Review } from "./review";

export function App() {
  const [version, setVersion] = useState<api.Version>();
  const [reviews, setReviews] = useState<api.Review[]>([]);
  const [problem, setProblem] = useState<string>();

  const report = (error: unknown) => setProblem(String(error));

  useEffect(() => {
    api.version().then(setVersion, report);
    api.reviews().then(setReviews, report);
  }, []);

  const open = (form: FormData) => {
    const field = (name: string) => String(form.get(name));
    api
      .open(field("title"), field("author"), field("diff"))
      .then((review) => setReviews((before) => [review, ...before]), report);
  };

  return (
    <main>
      <h1>LiveReview</h1>
      {problem !== undefined && <p role="alert">{problem}</p>}
      <form action={open}>
        <input name="title" placeholder="What is to be reviewed" required />
        <input name="author" placeholder="Who asks" required />
        <textarea name="diff" placeholder="The output of git diff" />
        <button>Open a review</button>
      </form>
      <ul id="reviews">
        {reviews.map((review) => (
          <li key={review.id}>
            <Review review={review} report={report} />
          </li>
        ))}
      </ul>
      <footer>
        Version <span id="version">{version?.version ?? "…"}</span>
      </footer>
    </main>
  );
}
