<?php
/**
 * An article's page: its text is printed for whoever may read it, and for nobody else is it there.
 *
 * An example to copy from: put it and wall.php into the web root, and your own articles into
 * article_of(). Everything but the text (headline, standfirst) is for everybody.
 */

declare(strict_types=1);

require __DIR__ . '/wall.php';

$article = article_of((string) ($_GET['id'] ?? ''));
if ($article === null) {
    http_response_code(404);
    exit('There is no such article.');
}

if ($article['flag'] === 'free') {
    // The same for everybody, so any cache may keep it: nobody is asked who they are.
    header('Cache-Control: public, max-age=300');
    $answer = ['access' => 'granted', 'reason' => 'free', 'meter' => null];
} else {
    // One reader's page. A shared cache that kept it would show one person's answer to the next.
    header('Cache-Control: private, no-store');
    $answer = ask_the_wall($article['id'], $article['flag']);
}

$looking = ($_SERVER['REQUEST_METHOD'] ?? 'GET') !== 'HEAD';
if ($answer['reason'] === 'prepared' && $looking) {
    // A browser prepares a page that nobody looks at yet. Were the text in it, it would be read
    // uncounted later; were the wall in it, a reader would meet it who may read. So: ask again.
    http_response_code(503);
    header('Retry-After: 1');
    exit;
}

$granted = $answer['access'] === 'granted';
if (!$granted) {
    $article['text'] = []; // what the page below never holds, no mistake in it can print
}

/** Your articles, by their stable ids: replace this by a query of your database. */
function article_of(string $id): ?array
{
    $flags = [
        'ms-1' => 'metered', 'ms-2' => 'metered', 'ms-3' => 'metered', 'ms-4' => 'metered',
        'ms-5' => 'locked', 'ms-6' => 'free',
    ];
    return !isset($flags[$id]) ? null : [
        'id' => $id,
        'flag' => $flags[$id],
        'headline' => "Headline of {$id}",
        'standfirst' => "Standfirst of {$id}: what it is about, for everybody.",
        'date' => '2026-11-23',
        'byline' => 'A Reporter',
        'text' => ["First words of {$id}.", "Last words of {$id}."],
    ];
}

/** Structured data: which part is behind the wall, so that the wall is not taken for cloaking. */
function structured_data(array $article): string
{
    $free = $article['flag'] === 'free';
    $data = [
        '@context' => 'https://schema.org',
        '@type' => 'NewsArticle',
        'headline' => $article['headline'],
        'description' => $article['standfirst'],
        'datePublished' => $article['date'],
        'author' => ['@type' => 'Person', 'name' => $article['byline']],
        'publisher' => ['@type' => 'NewsMediaOrganization', 'name' => 'Morning Star'],
        'isAccessibleForFree' => $free,
    ];
    if (!$free) {
        $data['hasPart'] = [
            '@type' => 'WebPageElement',
            'isAccessibleForFree' => false,
            'cssSelector' => '.paywall',
        ];
    }
    // JSON_HEX_TAG: a headline must not be able to end the script element.
    return (string) json_encode($data, JSON_HEX_TAG | JSON_HEX_AMP | JSON_UNESCAPED_UNICODE);
}

function escaped(?string $words): string
{
    return htmlspecialchars((string) $words, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

/** An address out of an answer, if it is one of the web. */
function web_link(array $answer, string $name): string
{
    $link = (string) ($answer['links'][$name] ?? '');
    return preg_match('~^https?://~i', $link) ? escaped($link) : '';
}

/** The day the count starts again, as London writes it. */
function london_day(string $instant): string
{
    $day = new DateTimeImmutable($instant);
    return $day->setTimezone(new DateTimeZone('Europe/London'))->format('l j F Y');
}
?>
<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><?= escaped($article['headline']) ?></title>
<meta name="description" content="<?= escaped($article['standfirst']) ?>">
<script type="application/ld+json"><?= structured_data($article) ?></script>
</head>
<body>
<main>
<article aria-labelledby="headline">
  <h1 id="headline"><?= escaped($article['headline']) ?></h1>
  <p><?= escaped($article['standfirst']) ?></p>
<?php if ($granted): ?>
  <div class="paywall">
<?php foreach ($article['text'] as $paragraph): ?>
    <p><?= escaped($paragraph) ?></p>
<?php endforeach ?>
  </div>
<?php else: ?>
  <section class="paywall" aria-labelledby="wall-title">
    <h2 id="wall-title"><?= escaped($answer['message']) ?></h2>
<?php if ($answer['meter'] !== null): ?>
    <p>Your free articles start again on <?= escaped(london_day($answer['meter']['resets_at'])) ?>.</p>
<?php elseif ($answer['because'] !== null): ?>
    <p><?= escaped($answer['because']) ?></p>
<?php endif ?>
<?php if ($answer['offer'] !== null): ?>
    <p><?= escaped($answer['offer']) ?></p>
<?php endif ?>
    <ul>
<?php foreach ([
    'subscribe' => 'Subscribe',
    'sign_in' => 'Sign in',
] as $name => $words): if (web_link($answer, $name) !== ''): ?>
      <li><a href="<?= web_link($answer, $name) ?>"><?= $words ?></a></li>
<?php endif; endforeach ?>
    </ul>
<?php if (web_link($answer, 'sign_in') !== ''): ?>
    <h3>Already a print subscriber?</h3>
    <p>Your subscription may include the website:
      <a href="<?= web_link($answer, 'sign_in') ?>">sign in with the address you subscribed with</a>.</p>
<?php endif ?>
<?php if (web_link($answer, 'appeal') !== ''): ?>
    <h3>Rather give than subscribe?</h3>
    <p><a href="<?= web_link($answer, 'appeal') ?>">A gift to the appeal</a> unlocks no article. It
      keeps the paper alive, which is where articles come from.</p>
<?php endif ?>
  </section>
<?php endif ?>
</article>
</main>
</body>
</html>
