// A browser on a leash, for t/lib/Upstream502/Browser.pm. Reads lines of
// JSON, [page, method, ...arguments], and answers each with one line:
// {"value": …} or {"error": …}; null ends it. A method is one of those below or of
// playwright's Page. Whatever a page complains of is kept for "seen".

'use strict';

const {chromium} = require('playwright-core');
const readline = require('readline');

const kPatience = 60000;
const pages = new Map();
let browser;

function watch(page, seen) {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) {
      seen.complaints.push(message.text());
    }
  });
  page.on('pageerror', (error) => seen.complaints.push(error.message));
  page.on('request', (request) => seen.requests.push(request.url()));
}

// Violations of the content security policy, also those nobody logs.
function watchPolicy() {
  window.violations = [];
  document.addEventListener('securitypolicyviolation', (event) => {
    window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
  });
}

const methods = {
  async open(name, url, options) {
    const context = await browser.newContext({
      viewport: {width: 1280, height: 800}, ...options});
    context.setDefaultTimeout(kPatience);
    const page = await context.newPage();
    const seen = {complaints: [], requests: []};
    watch(page, seen);
    await page.addInitScript(watchPolicy);
    pages.set(name, {page, seen, context});
    await page.goto(url);
  },

  // `script` is a function's source or an expression.
  async eval(name, script, argument) {
    return pages.get(name).page.evaluate(`(${script})(${
        JSON.stringify(argument === undefined ? null : argument)})`);
  },

  // Waits until `script`, an expression, is true, and returns it. (The page's
  // policy forbids playwright's own way.)
  async wait(name, script) {
    const {page} = pages.get(name);
    for (const end = Date.now() + kPatience; Date.now() < end;) {
      const value = await page.evaluate(script);
      if (value) {
        return value;
      }
      await page.waitForTimeout(50);
    }
    throw new Error(`gave up waiting for ${script}`);
  },

  async texts(name, selector) {
    return pages.get(name).page.locator(selector).allTextContents();
  },

  async press(name, ...keys) {
    for (const key of keys) {
      await pages.get(name).page.keyboard.press(key);
    }
  },

  // What axe-core finds, of the given impacts.
  async axe(name, impacts) {
    const {page} = pages.get(name);
    await page.evaluate(require('axe-core').source);
    const {violations} = await page.evaluate('axe.run(document)');
    return violations.filter((v) => impacts.includes(v.impact)).map((v) =>
        `${v.impact} ${v.id}: ${v.help} (${
            v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join('; ')})`);
  },

  async seen(name) {
    const {page, seen} = pages.get(name);
    return {...seen, violations: await page.evaluate('window.violations')};
  },

  async close(name) {
    await pages.get(name).context.close();
    pages.delete(name);
  },
};

async function obey([name, method, ...args]) {
  if (methods[method]) {
    return methods[method](name, ...args);
  }
  const value = await pages.get(name).page[method](...args);
  return ['string', 'number', 'boolean'].includes(typeof value) ||
      Array.isArray(value) ? value : null;
}

(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    timeout: 2 * kPatience,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run',
           '--disable-background-networking', '--disable-component-update',
           '--disable-sync'],
  });
  console.log('{"value":true}');
  for await (const line of readline.createInterface({input: process.stdin})) {
    const request = JSON.parse(line);
    if (request === null) {
      break;
    }
    let answer;
    try {
      answer = {value: await obey(request)};
    } catch (error) {
      answer = {error: error.message};
    }
    console.log(JSON.stringify(answer));
  }
  await browser.close();
  process.exit(0);
})().catch((error) => {
  console.log(JSON.stringify({error: error.message}));
  process.exit(1);
});
