/**
 * Draw the wall's message where the server has already withheld the text. It hides nothing: a page
 * that was sent with its text is read with scripts off, or from its source.
 *
 *   <div class="paywall" data-paywall-article="ms-1"></div>
 *   <script src="/wall.js" defer></script>
 *
 * The paywall must answer on the paper's own host name, or its origin be named in
 * BILLING_PAYWALL__ORIGINS and the page say where: data-paywall-check="https://…/paywall/v1/check".
 * Words of the answer become text, never markup; the reader's focus stays where it is.
 */
"use strict";

(() => {
  const CHECK = "/paywall/v1/check";

  async function draw(place) {
    const url = new URL(place.dataset.paywallCheck || CHECK, document.baseURI);
    url.searchParams.set("article", place.dataset.paywallArticle);
    const asked = await fetch(url, { credentials: "include", cache: "no-store" });
    if (!asked.ok) return; // the server's own words stay
    const answer = await asked.json();
    place.replaceChildren(answer.access === "denied" ? wall(answer) : welcome());
  }

  function wall(answer) {
    const links = answer.links || {};
    const title = element("h2", answer.message || "Subscribe to continue reading.");
    title.id = "paywall-title";
    const parts = [title];
    const why = answer.meter
      ? `Your free articles start again on ${day(answer.meter.resets_at)}.`
      : answer.because;
    if (why) parts.push(element("p", why));
    if (answer.offer) parts.push(element("p", answer.offer));
    const ways = [
      link(links.subscribe, "Subscribe"),
      link(links.sign_in, "Sign in"),
      link(links.sign_in, "Already a print subscriber?"),
      link(links.appeal || links.support, "Rather give than subscribe?"),
    ];
    const list = element("ul");
    list.append(...ways.filter(Boolean).map((way) => wrapped("li", way)));
    parts.push(list);
    return region(parts);
  }

  // Since the server refused they have signed in or subscribed, in another window perhaps.
  function welcome() {
    const title = element("h2", "You can read this article now.");
    title.id = "paywall-title";
    return region([title, wrapped("p", link(location.href, "Open it"))]);
  }

  function region(parts) {
    const section = element("section");
    section.setAttribute("aria-labelledby", "paywall-title");
    section.append(...parts);
    return section;
  }

  function element(name, words = "") {
    const made = document.createElement(name);
    made.textContent = words;
    return made;
  }

  function wrapped(name, child) {
    const made = element(name);
    made.append(child);
    return made;
  }

  function link(address, words) {
    if (!/^https?:\/\//i.test(address || "")) return null; // javascript: and its like
    const made = element("a", words);
    made.href = address;
    return made;
  }

  function day(instant) {
    const how = { weekday: "long", day: "numeric", month: "long", year: "numeric" };
    return new Date(instant).toLocaleDateString("en-GB", { ...how, timeZone: "Europe/London" });
  }

  for (const place of document.querySelectorAll("[data-paywall-article]")) {
    draw(place).catch(() => {}); // the server's own words stay
  }
})();
