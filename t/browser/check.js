// Drives the status page at the given URL in a real browser and prints TAP.
//
//     NODE_PATH=… node t/browser/check.js http://127.0.0.1:8080/status
//
// The page and its headers are the server's; the JSON it fetches is canned,
// so that every state can be seen. Needs playwright-core and chromium
// (CHROMIUM, /usr/bin/chromium).

'use strict';

const url = process.argv[2];
const {chromium} = require('playwright-core');

const kMinute = 60000;
const kHostile =
    '<img src=x onerror="window.hacked=1"></script><b>\u202egnp.exe';

// ---- canned data

let nextId = 100;

function minutes(n) {
  return Array.from({length: 60}, (_, i) => i >= 50 ? n : 0);
}

function makeEvent(now, overrides) {
  return {
    id: ++nextId, time: now, upstream: 'app', peer: '127.0.0.1:9000',
    protocol: 'fastcgi', cause: 'connection_refused', phase: 'connect',
    errno: 111, errno_name: 'ECONNREFUSED', errno_class: 'refused',
    attempt: 1, attempts: 1, status: 502, client_status: 502, rescued: false,
    received_status: null, connect_time: null, header_time: null,
    response_time: 0, bytes_sent: 0, bytes_received: 0, reused: false,
    limit: null, method: 'GET', host: 'example.com', uri: '/', request_id: null,
    message: 'connect() failed (111: Connection refused)',
    hint: 'nothing listens there',
    findings: [{name: 'port_closed',
                text: 'nothing listens on port 9000 of this machine'}],
    evidence: {where: 'this_machine', listening: false}, ...overrides};
}

function makePeer(now, addr, failures) {
  return {addr, attempts: 100, failures,
          causes: failures ? {connection_refused: failures} : {},
          errno_classes: {}, first_failure: failures ? now - 5 * kMinute : null,
          last_failure: failures ? now - 1000 : null,
          last_cause: failures ? 'connection_refused' : null,
          last_success: now - 10 * kMinute};
}

function makeUpstream(now, name, failures, peers) {
  const start = Math.floor(now / kMinute) * kMinute - 59 * kMinute;
  return {name, protocol: 'fastcgi', requests: 1000, attempts: 1000,
          failures: failures * 10, rescued: 0,
          responses: {500: 0, 502: failures * 10, 504: 0},
          causes: failures ? {connection_refused: failures * 10} : {},
          errno_classes: failures ? {refused: failures * 10} : {},
          grpc_responses: {}, incidents: 0,
          findings: failures ? {port_closed: failures * 9} : {},
          history: {interval_ms: kMinute, start, requests: minutes(20),
                    failures: minutes(failures),
                    responses_502: minutes(failures)},
          time_to_failure: {le: [1, 5], counts: [failures * 10, 0, 0], sum: 1,
                            count: failures * 10},
          peers};
}

const events = [];
let served = 0;

function makeData(kind) {
  const now = Date.now();
  const bad = kind === 'calm' ? 0 : 5;
  const name = kind === 'hostile' ? kHostile : 'app';
  const fleet = Array.from({length: kind === 'big' ? 1000 : 3}, (_, i) =>
      makePeer(now, `10.0.${i >> 8}.${i & 255}:80`, i === 1 ? bad : 0));
  const upstreams = [makeUpstream(now, name, bad,
                                  [makePeer(now, '127.0.0.1:9000', bad)]),
                     makeUpstream(now, 'fleet', 0, fleet)];
  while (events.length < 40) {
    events.unshift(makeEvent(now - 1000, {uri: `/item/${events.length}`}));
  }
  events.unshift(makeEvent(now, {
    uri: `/new/${events.length}`,
    ...(kind === 'hostile' ? {upstream: kHostile, peer: kHostile,
                              uri: `/${kHostile}`, message: kHostile,
                              findings: [{name: 'port_closed',
                                          text: kHostile}]} : {})}));
  return {
    schema: 1,
    server: {hostname: 'check', nginx_version: '1', module_version: '1',
             pid: ++served, time: now, start_time: now - 60 * kMinute,
             load_time: now - 30 * kMinute, generation: 1},
    zone: {name: 'z', size: 4194304, peers: 4, peers_max: 100,
           events: events.length, events_max: 1024, overflow: 0},
    totals: {requests: 2000, attempts: 2000, failures: bad * 10, rescued: 0,
             responses: {500: 0, 502: bad * 10, 504: 0},
             origins: {nginx: bad * 10, upstream: 0, cache: 0, config: 0},
             causes: bad ? {connection_refused: bad * 10} : {},
             findings: bad ? {port_closed: bad * 9} : {},
             history: {interval_ms: kMinute, start: upstreams[0].history.start,
                       requests: minutes(40),
                       causes: bad ? {connection_refused: minutes(bad)} : {}}},
    upstreams,
    diagnoses: bad ? [{
      upstream: name, severity: 'outage', pattern: 'outage',
      cause: 'connection_refused', share: 1, since: now - 5 * kMinute,
      peers: ['127.0.0.1:9000'], summary: `All attempts failed ${name}`,
      hint: `nothing listens there ${name}`,
      findings: [{name: 'port_closed', count: 45,
                  text: `nothing listens on port 9000 ${name}`}],
      checks: ["ss -ltnp 'sport = :9000'"]}] : [],
    events: kind === 'calm' ? [] : events.slice(0, 200),
  };
}

// ---- TAP

let number = 0;
let failures = 0;

function ok(value, name) {
  ++number;
  failures += value ? 0 : 1;
  console.log(`${value ? 'ok' : 'not ok'} ${number} - ${name}`);
}

// ---- a page whose data we choose

// The page comes with the server's own data: ask for ours.
async function askAgain(page) {
  await page.click('#refresh');
  await page.waitForFunction(
      () => document.querySelector('#host').textContent === 'check');
}

async function open(browser, kind, options = {}) {
  const context = await browser.newContext(
      {viewport: {width: 1200, height: 800}, ...options.context});
  const page = await context.newPage();
  if (options.clock) {
    await page.clock.install();
  }
  const seen = {complaints: [], requests: [], elsewhere: [], kind};
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) &&
        !message.text().includes('Failed to load resource')) {
      seen.complaints.push(message.text());
    }
  });
  page.on('pageerror', (error) => seen.complaints.push(error.message));
  page.on('request', (request) => {
    const target = request.url();
    if (!target.startsWith(url) && !target.startsWith('data:')) {
      seen.elsewhere.push(target);
    }
  });
  await page.route(/format=json/, (route) => {
    seen.requests.push(route.request().url());
    return seen.kind === 'dead' ? route.abort() :
        route.fulfill({json: makeData(seen.kind)});
  });
  await page.goto(url + (options.hash || ''));
  if (!options.context || options.context.javaScriptEnabled !== false) {
    await askAgain(page);
  }
  return {page, seen, close: () => context.close()};
}

// The process in the footer counts the answers.
const refresh = async (page) => {
  const before = served;
  await page.evaluate(() => document.querySelector('#refresh').click());
  await page.waitForFunction((n) => {
    const process = [...document.querySelectorAll('#facts div')]
        .find((div) => div.textContent.startsWith('Process'));
    return Number(process.lastElementChild.textContent) > n;
  }, before);
};

// ---- what is checked

async function checkVerdicts(browser) {
  const {page, seen, close} = await open(browser, 'bad');
  ok(await page.textContent('#headline') === 'app is down',
     'the headline says what is down');
  ok(/connection refused.*since/.test(await page.textContent('#lede')),
     'and why, and since when');
  ok((await page.textContent('.card .checks code')).startsWith('ss -ltnp'),
     'its card says what to check');
  ok((await page.textContent('.card .hint')).length > 10,
     'and what it means');
  ok(await page.locator('#chart path').count() === 1, 'the chart is drawn');
  seen.kind = 'calm';
  await refresh(page);
  ok(await page.getAttribute('#verdict', 'data-state') === 'ok',
     'it turns good by itself');
  ok(await page.locator('.card').count() === 0, 'the card is gone');
  ok(seen.complaints.length === 0, `no complaint ${seen.complaints}`);
  ok(seen.elsewhere.length === 0, `nothing asked elsewhere ${seen.elsewhere}`);
  await close();
}

async function checkFindings(browser) {
  const {page, close} = await open(browser, 'bad');
  ok(/Nothing listens on port 9000.*45 times/.test(
      await page.textContent('.card .findings')),
     'a card says what was found, and how often');
  await page.click('#events summary >> nth=0');
  const body = page.locator('#events details[open] .body');
  ok((await body.locator('.findings').textContent())
      .includes('Nothing listens on port 9000 of this machine.'),
     'and so does an event');
  ok((await body.locator('.facts').textContent())
      .includes('where this_machine, listening no'), 'with the raw values');
  for (const [text, found] of [['port_closed', true], ['Port Closed', true],
                               ['of this machine', true],
                               ['service_gone', false]]) {
    await page.fill('#search', text);
    ok((await page.locator('#events > li').count() > 0) === found,
       `${found ? 'the search finds' : 'nothing has'} ${text}`);
  }
  await close();
}

async function checkHostile(browser) {
  const {page, seen, close} = await open(browser, 'hostile');
  await page.evaluate(() => {
    document.querySelectorAll('#events summary').forEach((s) => s.click());
    document.querySelectorAll('.opener').forEach((s) => s.click());
  });
  await page.waitForFunction(
      () => [...document.querySelectorAll('#events details')]
          .every((node) => node.querySelector('.facts')));
  ok(await page.evaluate(() => window.hacked) === undefined,
     'hostile text does not run');
  ok(await page.locator('img, b b, main script').count() === 0,
     'and makes no element');
  ok(!(await page.textContent('#events')).includes('\u202e'),
     'nor turns the text around it');
  ok((await page.textContent('#headline')).includes('<img src=x'),
     'it is shown as it is');
  ok(seen.complaints.length === 0, `no complaint ${seen.complaints}`);
  await close();
}

async function checkRefresh(browser) {
  const {page, seen, close} = await open(browser, 'bad');
  await page.click('.opener >> nth=0');
  await page.fill('#search', 'item');
  await page.click('#events summary >> nth=3');
  const opened = await page.textContent('#events details[open] .what');
  await page.locator('#events details[open] summary').focus();
  await page.evaluate(() => {
    const range = document.createRange();
    range.selectNodeContents(document.querySelector('.card .summary'));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    scrollTo(0, 500);
  });
  const top = await page.evaluate(() => scrollY);
  await refresh(page);
  ok(await page.inputValue('#search') === 'item' &&
     await page.locator('#events .what').allTextContents()
         .then((all) => all.every((text) => text.includes('item'))),
     'a refresh keeps the filter');
  ok(await page.textContent('#events details[open] .what') === opened,
     'the event that is open');
  ok(await page.evaluate(() => document.activeElement ===
     document.querySelector('#events details[open] summary')), 'the focus');
  ok(await page.evaluate(() => String(getSelection()).length) > 5,
     'the selection');
  ok(await page.evaluate(() => scrollY) === top, 'the scroll');
  await page.reload();
  await askAgain(page);
  await page.waitForSelector('#events details[open]');
  ok(await page.textContent('#events details[open] .what') === opened &&
     await page.inputValue('#search') === 'item' &&
     await page.getAttribute('.opener >> nth=0', 'aria-expanded') === 'true',
     'a reload keeps what the address names');
  const asked = page.waitForRequest(/cause=connection_refused/);
  await page.click('.key');
  ok(await asked, 'a chosen cause is asked for by name');
  await close();
}

async function checkFeed(browser) {
  const {page, seen, close} = await open(browser, 'bad', {clock: true});
  const answer = page.waitForResponse(/format=json/);
  await page.clock.runFor(5500);
  ok(await answer, 'it asks again by itself');
  await page.click('#pause');
  await page.waitForFunction(() =>
      document.querySelector('#freshness').textContent.startsWith('Paused'));
  const asked = seen.requests.length;
  await page.clock.runFor(30000);
  ok(seen.requests.length === asked &&
     (await page.textContent('#freshness')).startsWith('Paused'),
     'paused, it asks no more');
  ok(await page.isHidden('#problem'), 'and calls nothing old');
  seen.kind = 'dead';
  await page.click('#pause');
  await page.waitForSelector('#problem:not([hidden])');
  ok((await page.textContent('#problem')).includes('does not answer'),
     'it says that the server does not answer');
  ok(await page.isVisible('#headline'), 'and goes on showing what it had');
  await page.clock.runFor(30000);
  ok(/\d+ s old/.test(await page.textContent('#freshness')) &&
     await page.evaluate(
         () => 'stale' in document.documentElement.dataset),
     'marked as old');
  seen.kind = 'bad';
  await page.clock.runFor(5500);
  await page.waitForSelector('#problem', {state: 'hidden'});
  ok(true, 'and comes back by itself');
  await close();
}

async function checkKeyboard(browser) {
  const {page, close} = await open(browser, 'bad');
  await page.locator('.opener >> nth=1').focus();
  await page.keyboard.press('Enter');
  ok(await page.getAttribute('.opener >> nth=1', 'aria-expanded') === 'true',
     'an upstream opens with the keyboard');
  ok(await page.evaluate(
      () => getComputedStyle(document.activeElement).outlineStyle) !== 'none',
     'the focus can be seen');
  await page.locator('#chart').focus();
  await page.keyboard.press('ArrowLeft');
  ok(/^\d\d:\d\d: 5 failed attempts/.test(await page.textContent('#readout')),
     'the chart can be walked');
  const unnamed = await page.evaluate(() => [...document.querySelectorAll(
      'button, input, select, a, summary, svg[role=img]')].filter((node) =>
      !(node.textContent.trim() || node.labels?.length ||
        node.getAttribute('aria-label') ||
        node.getAttribute('aria-labelledby'))).length);
  ok(unnamed === 0, 'all controls have a name');
  await close();
}

async function checkSizes(browser) {
  for (const [width, scheme] of [[360, 'dark'], [360, 'light'],
                                 [1920, 'dark']]) {
    const {page, close} = await open(browser, 'hostile', {
      context: {viewport: {width, height: 800}, colorScheme: scheme}});
    await page.evaluate(() => {
      document.querySelectorAll('.opener').forEach((s) => s.click());
      document.querySelector('#events summary').click();
    });
    await page.waitForSelector('#events details[open] .facts');
    ok(await page.evaluate(() =>
        document.documentElement.scrollWidth <= innerWidth),
       `${width} px, ${scheme}: nothing sticks out`);
    const dark = await page.evaluate(() => {
      const [r] = getComputedStyle(document.body).backgroundColor
          .match(/\d+/g);
      return r < 128;
    });
    ok(dark === (scheme === 'dark'), `and the colours are ${scheme}`);
    await close();
  }
}

// What a step makes the browser do: nodes made and changes of any kind.
async function workOf(page, step) {
  await page.evaluate(() => {
    window.work = {nodes: 0, changes: 0};
    window.observer = new MutationObserver((records) => {
      work.changes += records.length;
      for (const {addedNodes} of records) {
        for (const node of addedNodes) {
          work.nodes += 1 + (node.querySelectorAll ?
              node.querySelectorAll('*').length : 0);
        }
      }
    });
    observer.observe(document.body, {subtree: true, childList: true,
                                     characterData: true, attributes: true});
  });
  await step();
  return page.evaluate(() => {
    observer.disconnect();
    return work;
  });
}

async function checkManyPeers(browser) {
  const {page, close} = await open(browser, 'big');
  const opener = '.opener >> nth=1';
  let {nodes} = await workOf(page, async () => {
    await page.click(opener);
    await page.waitForSelector('table.peers tbody tr');
  });
  ok(nodes < 600, `a thousand peers open with ${nodes} nodes`);
  ok(await page.locator('table.peers tbody tr').count() === 50,
     'only some are drawn');
  const idle = await workOf(page, () => refresh(page));
  ok(idle.nodes < 200 && idle.changes < 400,
     `a refresh makes ${idle.nodes} nodes and ${idle.changes} changes`);
  ok((await page.textContent('table.peers tbody tr >> nth=0'))
         .startsWith('10.0.0.1:80'), 'the worst one is on top');
  ({nodes} = await workOf(page, () => page.click('.detail .more')));
  ok(nodes < 2500, `the next two hundred are ${nodes} nodes`);
  ok(await page.locator('table.peers tbody tr').count() === 250,
     'asked for, more are drawn');
  await close();
}

async function checkWithoutScripts(browser) {
  const {page, close} = await open(browser, 'bad', {
    context: {javaScriptEnabled: false}});
  ok(await page.isVisible('#report') && !(await page.isVisible('#app')),
     'without scripts there is the report');
  await close();
}

(async () => {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run',
           '--disable-background-networking', '--disable-component-update',
           '--disable-sync'],
  });
  try {
    for (const check of [checkVerdicts, checkFindings, checkHostile,
                         checkRefresh, checkFeed,
                         checkKeyboard, checkSizes, checkManyPeers,
                         checkWithoutScripts]) {
      await check(browser);
    }
  } finally {
    await browser.close();
  }
  console.log(`1..${number}`);
  process.exit(failures === 0 ? 0 : 1);
})().catch((error) => {
  console.log(`Bail out! ${error.message.split('\n')[0]}`);
  process.exit(255);
});
