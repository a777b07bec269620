// What the server answers; see ../../server/handler.go.

export interface Version {
  version: string;
  commit: string;
  builtAt: string;
}

export interface Comment {
  file: string;
  line: number;
  text: string;
}

export interface Review {
  id: number;
  title: string;
  author: string;
  state: "open" | "approved" | "rejected";
  comments?: Comment[];
}

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(path, init);
  if (!response.ok) {
    throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  }
  return (await response.json()) as T;
}

const post = (body?: object): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body ?? {}),
});

export const version = () => ask<Version>("/api/version");
export const reviews = () => ask<Review[]>("/api/reviews");
export const review = (id: number) => ask<Review>(`/api/reviews/${id}`);

export const open = (title: string, author: string, diff: string) =>
  ask<Review>("/api/reviews", post({ title, author, diff }));

export const judge = (id: number, verb: "approve" | "reject") =>
  ask<Pick<Review, "state">>(`/api/reviews/${id}/${verb}`, post());
