/** What the server answers at /api/hello. */
export interface Hello {
  version: string;
  platform: string;
  go: string;
  zone: { name: string; abbreviation: string; offset: string; time: string };
  certificates: { loaded: boolean; error?: string };
}

/**
 * Asks the server what it is. Version and platform come from there and are not compiled into the page: so the
 * page is the same file for every platform and every release, and is built once.
 */
export async function fetchHello(zone: string): Promise<Hello> {
  const response = await fetch(`/api/hello?zone=${encodeURIComponent(zone)}`);
  const body: unknown = await response.json();
  if (!response.ok) {
    throw new Error((body as { error?: string }).error ?? response.statusText);
  }
  return body as Hello;
}
