<?php
/**
 * Ask the paywall, from the paper's server, whether this visitor may read this article.
 *
 * Plain PHP 8, no extension beyond the usual ones. The visitor's cookies pass through and are kept
 * nowhere; an answer is for one visitor, one article and one moment, and is never cached.
 */

declare(strict_types=1);

// CHANGE: where the paywall answers; one of BILLING_PAYWALL__KEYS; what to do when it is silent.
define('PAYWALL_URL', getenv('PAYWALL_URL') ?: 'http://127.0.0.1:8000');
define('PAYWALL_KEY', getenv('PAYWALL_KEY') ?: '');
// 'open': everybody reads while the fault is ours. 'closed': nobody does.
define('PAYWALL_WHEN_SILENT', getenv('PAYWALL_WHEN_SILENT') ?: 'open');
const PAYWALL_PATIENCE = 3.0; // seconds a reader waits for our own plumbing, at each step

/**
 * Ask about one article, and hand the paywall's cookies on to the browser.
 *
 * Call it before anything is printed, and once for each article and request.
 *
 * @param string $article the article's stable id, never its headline or address
 * @param string $flag    free, metered or locked; '' leaves it to the paywall. Needs PAYWALL_KEY.
 *
 * @return array<string, mixed> `access` is 'granted' or 'denied', nothing else; `reason`; `message`,
 *     `because`, `offer`, `meter` and `links` may be null. Reason 'prepared': show nothing yet.
 */
function ask_the_wall(string $article, string $flag = ''): array
{
    $question = ['article' => $article];
    if ($flag !== '' && PAYWALL_KEY !== '') {
        $question['flag'] = $flag;
    }
    $method = ($_SERVER['REQUEST_METHOD'] ?? 'GET') === 'HEAD' ? 'HEAD' : 'GET';
    $url = PAYWALL_URL . '/paywall/v1/check?' . http_build_query($question);
    [$status, $cookies, $body] = wall_fetch($url, $method, wall_headers());
    foreach ($cookies as $cookie) {
        header('Set-Cookie: ' . $cookie, false);
    }
    if ($status >= 400 && $status < 500) {
        // Our key is wrong, or the visitor sent nonsense. Silence it is not: or whoever sends
        // nonsense would read everything.
        error_log("paywall: asked about {$article}, refused with {$status}: {$body}");
        return wall_answer('denied', 'unavailable');
    }
    if ($status === 200 && $method === 'HEAD') {
        return wall_answer('denied', 'prepared'); // an answer without a body: nothing to print
    }
    $answer = $status === 200 ? json_decode($body, true) : null;
    if (!is_array($answer) || !in_array($answer['access'] ?? null, ['granted', 'denied'], true)) {
        error_log("paywall: no answer about {$article} (status {$status})");
        return wall_answer(PAYWALL_WHEN_SILENT === 'open' ? 'granted' : 'denied', 'unanswered');
    }
    return $answer + wall_answer('denied', 'unavailable');
}

/** What the paywall must know of the visitor: who, from where, and whether anybody looks. */
function wall_headers(): array
{
    // REMOTE_ADDR is what this server saw itself. X-Forwarded-For of a visitor is only their word:
    // behind a proxy of yours, have the web server write the address into REMOTE_ADDR (realip).
    $headers = ['Connection: close', 'X-Forwarded-For: ' . ($_SERVER['REMOTE_ADDR'] ?? '')];
    if (PAYWALL_KEY !== '') {
        $headers[] = 'Authorization: Bearer ' . PAYWALL_KEY;
    }
    $passed = [
        'Cookie' => 'HTTP_COOKIE',
        'User-Agent' => 'HTTP_USER_AGENT',
        'Sec-Purpose' => 'HTTP_SEC_PURPOSE',
        'Purpose' => 'HTTP_PURPOSE',
        'X-Moz' => 'HTTP_X_MOZ',
    ];
    foreach ($passed as $name => $key) {
        $value = $_SERVER[$key] ?? '';
        if ($value !== '' && strpbrk($value, "\r\n\0") === false) {
            $headers[] = $name . ': ' . $value;
        }
    }
    return $headers;
}

/**
 * Send one request.
 *
 * @return array{int, list<string>, string} status (0 for silence), the Set-Cookie lines, the body
 */
function wall_fetch(string $url, string $method = 'GET', array $headers = []): array
{
    $context = stream_context_create(['http' => [
        'method' => $method,
        'header' => $headers,
        'protocol_version' => 1.1,
        'timeout' => PAYWALL_PATIENCE,
        'ignore_errors' => true, // a refusal has a body too
        'follow_location' => 0,
    ]]);
    $stream = @fopen($url, 'rb', false, $context);
    if ($stream === false) {
        return [0, [], ''];
    }
    $body = (string) stream_get_contents($stream, 65536);
    $meta = stream_get_meta_data($stream);
    fclose($stream);
    $lines = $meta['wrapper_data'] ?? [];
    $status = preg_match('~^HTTP/\S+ (\d{3})~', $lines[0] ?? '', $found) ? (int) $found[1] : 0;
    $cookies = [];
    foreach ($lines as $line) {
        if (stripos($line, 'Set-Cookie:') === 0) {
            $cookies[] = trim(substr($line, strlen('Set-Cookie:')));
        }
    }
    return [$meta['timed_out'] ? 0 : $status, $cookies, $body];
}

/** An answer in the paywall's shape, for when there is none. */
function wall_answer(string $access, string $reason): array
{
    return [
        'access' => $access,
        'reason' => $reason,
        'because' => null,
        'message' => $access === 'denied' ? 'We cannot look up who you are just now.' : null,
        'offer' => null,
        'meter' => null,
        'links' => [],
    ];
}
