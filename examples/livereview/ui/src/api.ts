// What the server answers; see ../../server/handler.go.

export interface Version {
  version: string;
  commit: string;
  builtAt: string;
}

export interface Review {
  id: number;
  title: string;
  author: string;
  state: "open" | "approved" | "rejected";
}

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(path, init);
  if (!response.ok) {
    throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  }
  return (await response.json()) as T;
}

export const version = () => ask<Version>("/api/version");
export const reviews = () => ask<Review[]>("/api/reviews");

export const open = (title: string, author: string) =>
  ask<Review>("/api/reviews", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ title, author }),
  });
