<?php
/**
 * Verify a reader pass without asking anybody: a signed statement, good for minutes, that whoever
 * holds it may read.
 *
 * The cookie is `__Host-pass` on https, `pass` on a developer's machine. The public keys are
 * fetched from the paywall and kept in a file. A pass that does not verify means nothing: ask the
 * wall. It is about rights alone, so a visitor on free articles never has one.
 *
 *     if (verify_pass($_COOKIE['__Host-pass'] ?? '') !== null) { … print the article … }
 */

declare(strict_types=1);

// CHANGE: where the keys are; who signs (BILLING_PUBLIC_URL); for whom (BILLING_PAPER_URL).
define('PASS_KEYS_URL', getenv('PASS_KEYS_URL') ?: 'http://127.0.0.1:8000/.well-known/jwks.json');
define('PASS_ISSUER', getenv('PASS_ISSUER') ?: 'https://support.example.org');
define('PASS_AUDIENCE', getenv('PASS_AUDIENCE') ?: 'https://www.example.org');
// In a directory where the web server's user alone may write: who writes here can make passes.
define('PASS_KEYS_FILE', getenv('PASS_KEYS_FILE') ?: '/var/cache/paper/paywall-jwks.json');

const PASS_KEYS_LAST = 300; // seconds until the keys are fetched again
const PASS_KEYS_LONGEST = 3600; // seconds they stay good while nobody answers
const PASS_KEYS_PAUSE = 60; // seconds between fetches for a key nobody knows, or after a failure
const PASS_CLOCK_SKEW = 60; // seconds the signer's clock may be ahead of ours

/**
 * Return what a pass says, or null if it is not good now.
 *
 * @return array<string, mixed>|null iss, aud, iat, exp, reason
 */
function verify_pass(string $token, ?int $now = null): ?array
{
    $now ??= time();
    $parts = explode('.', $token);
    if (count($parts) !== 3 || strlen($token) > 4096) {
        return null;
    }
    $header = pass_json($parts[0]);
    $claims = pass_json($parts[1]);
    $signature = pass_bytes($parts[2]);
    // The algorithm is ours to choose, never the token's: 'none' and HS256 are old forgeries.
    if (($header['alg'] ?? null) !== 'ES256' || !is_string($header['kid'] ?? null)) {
        return null;
    }
    $key = pass_key($header['kid'], $now);
    if ($key === null || $claims === null || strlen($signature) !== 64) {
        return null;
    }
    $said = $parts[0] . '.' . $parts[1];
    if (openssl_verify($said, pass_der($signature), $key, OPENSSL_ALGO_SHA256) !== 1) {
        return null;
    }
    $good = ($claims['iss'] ?? null) === PASS_ISSUER
        && ($claims['aud'] ?? null) === PASS_AUDIENCE
        && is_int($claims['exp'] ?? null) && $claims['exp'] > $now
        && is_int($claims['iat'] ?? null) && $claims['iat'] <= $now + PASS_CLOCK_SKEW;
    return $good ? $claims : null;
}

/** Return one public key as PEM; keys are fetched when they are old, or this one is unknown. */
function pass_key(string $number, int $now): ?string
{
    $kept = json_decode((string) @file_get_contents(PASS_KEYS_FILE), true);
    $kept = is_array($kept) ? $kept : [];
    $kept += ['keys' => [], 'fetched' => 0, 'tried' => 0];
    $found = pass_find($kept['keys'], $number);
    $old = $now - $kept['fetched'] >= PASS_KEYS_LAST;
    // A made-up key number must not make us ask for each request.
    if (($old || $found === null) && $now - $kept['tried'] >= PASS_KEYS_PAUSE) {
        $kept = pass_fetch($kept, $now);
        $found = pass_find($kept['keys'], $number);
    }
    return $now - $kept['fetched'] <= PASS_KEYS_LONGEST ? $found : null;
}

/** Fetch the keys. While nobody answers, those we have stay good for an hour. */
function pass_fetch(array $kept, int $now): array
{
    $context = stream_context_create(['http' => ['timeout' => 1.0, 'follow_location' => 0]]);
    $fetched = json_decode((string) @file_get_contents(PASS_KEYS_URL, false, $context), true);
    $kept['tried'] = $now;
    if (is_array($fetched['keys'] ?? null)) {
        $kept = ['keys' => $fetched['keys'], 'fetched' => $now, 'tried' => $now];
    }
    // Written beside and moved into place, so that nobody reads half a file.
    $beside = PASS_KEYS_FILE . '.' . bin2hex(random_bytes(6));
    if (@file_put_contents($beside, json_encode($kept)) === false || !rename($beside, PASS_KEYS_FILE)) {
        error_log('paywall: the keys of passes cannot be kept in ' . PASS_KEYS_FILE);
    }
    return $kept;
}

function pass_find(array $keys, string $number): ?string
{
    foreach ($keys as $key) {
        if (is_array($key) && ($key['kid'] ?? null) === $number) {
            return pass_pem($key);
        }
    }
    return null;
}

/** Write a key of a JWK set as openssl reads it: SubjectPublicKeyInfo of a point on P-256. */
function pass_pem(array $key): ?string
{
    $x = pass_bytes((string) ($key['x'] ?? ''));
    $y = pass_bytes((string) ($key['y'] ?? ''));
    if (($key['kty'] ?? '') !== 'EC' || ($key['crv'] ?? '') !== 'P-256' || strlen($x . $y) !== 64) {
        return null;
    }
    $point = hex2bin('3059301306072a8648ce3d020106082a8648ce3d030107034200' . '04') . $x . $y;
    $lines = chunk_split(base64_encode($point), 64, "\n");
    return "-----BEGIN PUBLIC KEY-----\n{$lines}-----END PUBLIC KEY-----\n";
}

/** Write a signature as openssl reads it: JOSE has r and s side by side, DER has two integers. */
function pass_der(string $signature): string
{
    $integers = '';
    foreach (str_split($signature, 32) as $number) {
        $number = ltrim($number, "\0");
        if ($number === '' || ord($number[0]) > 0x7f) {
            $number = "\0" . $number; // or it would be read as a negative number
        }
        $integers .= "\x02" . chr(strlen($number)) . $number;
    }
    return "\x30" . chr(strlen($integers)) . $integers;
}

function pass_json(string $part): ?array
{
    $read = json_decode(pass_bytes($part), true);
    return is_array($read) ? $read : null;
}

function pass_bytes(string $part): string
{
    return (string) base64_decode(strtr($part, '-_', '+/'), true);
}
