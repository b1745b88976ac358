/**
 * Verify a reader pass at the edge, without asking anybody: a signed statement, good for minutes,
 * that whoever holds it may read. WebCrypto alone: Cloudflare, Fastly, Deno, Node 20.
 *
 *   const keys = keySet("https://support.example.org/.well-known/jwks.json");
 *   const claims = await verifyPass(cookie, { jwks: await keys(cookie), issuer, audience });
 *   const variant = claims ? "full" : "wall"; // part of the cache key; never the cookie itself
 *
 * A pass that does not verify means nothing: ask the wall, which knows the meter too.
 */

const SKEW = 60; // seconds the signer's clock may be ahead of ours
const KEYS_LAST = 300; // seconds until the keys are fetched again
const KEYS_LONGEST = 3600; // seconds they stay good while nobody answers
const PAUSE = 60; // seconds between fetches for a key nobody knows, or after a failure
const PATIENCE = 1000; // milliseconds

/**
 * Return what a pass says, or null if it is not good now.
 *
 * @param {string} token the cookie `__Host-pass`
 * @param {{jwks: {keys: object[]}, issuer: string, audience: string, now?: number}} how
 *     the public keys, BILLING_PUBLIC_URL, BILLING_PAPER_URL, and the time in seconds
 * @returns {Promise<object | null>} iss, aud, iat, exp, reason
 */
export async function verifyPass(token, { jwks, issuer, audience, now = Date.now() / 1000 }) {
  const parts = String(token).split(".");
  if (parts.length !== 3 || token.length > 4096) return null;
  const [header, claims] = [json(parts[0]), json(parts[1])];
  const signature = bytes(parts[2]);
  // The algorithm is ours to choose, never the token's: "none" and HS256 are old forgeries.
  if (header?.alg !== "ES256" || typeof header.kid !== "string") return null;
  if (claims === null || signature?.length !== 64) return null;
  const key = await publicKey(jwks, header.kid);
  if (key === null) return null;
  const said = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
  const how = { name: "ECDSA", hash: "SHA-256" };
  if (!(await crypto.subtle.verify(how, key, signature, said))) return null;
  const good =
    claims.iss === issuer &&
    claims.aud === audience &&
    Number.isInteger(claims.exp) && claims.exp > now &&
    Number.isInteger(claims.iat) && claims.iat <= now + SKEW;
  return good ? claims : null;
}

/**
 * Keep the public keys of an address for five minutes.
 *
 * @param {string} url
 * @returns {(token: string) => Promise<{keys: object[]}>} the keys with which to verify a token;
 *     fetched again when they are old, or the token's is unknown, which is believed once a minute
 */
export function keySet(url, { fetcher = fetch, clock = () => Date.now() / 1000 } = {}) {
  let [kept, fetched, tried] = [{ keys: [] }, -Infinity, -Infinity];
  return async (token) => {
    const wanted = json(String(token).split(".")[0])?.kid;
    const known = kept.keys.some((key) => key.kid === wanted);
    const now = clock();
    if ((now - fetched >= KEYS_LAST || !known) && now - tried >= PAUSE) {
      tried = now;
      try {
        const answer = await fetcher(url, { signal: AbortSignal.timeout(PATIENCE) });
        const read = await answer.json();
        if (answer.ok && Array.isArray(read.keys)) [kept, fetched] = [read, now];
      } catch {
        // While nobody answers, the keys we have stay good for an hour.
      }
    }
    return now - fetched <= KEYS_LONGEST ? kept : { keys: [] };
  };
}

async function publicKey(jwks, number) {
  const found = jwks.keys.find((key) => key.kid === number);
  if (found?.kty !== "EC" || found.crv !== "P-256") return null;
  const { kty, crv, x, y } = found;
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  try {
    return await crypto.subtle.importKey("jwk", { kty, crv, x, y }, curve, false, ["verify"]);
  } catch {
    return null; // not a point of the curve
  }
}

function json(part) {
  try {
    const read = JSON.parse(new TextDecoder().decode(bytes(part)));
    return typeof read === "object" ? read : null;
  } catch {
    return null;
  }
}

function bytes(part) {
  try {
    const text = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}
