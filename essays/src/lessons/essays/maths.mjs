// Draw formulas. stdin: JSON [[display, tex], …]; stdout: JSON [{svg, w, h, depth} or {error}, …],
// width, height and depth below the baseline in em. What was drawn once stays in the folder argv[2].
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

const cache = process.argv[2];
const setup = readFileSync(process.argv[1], 'utf8') + readFileSync(process.argv[3], 'utf8');
console.log = console.error; // MathJax greets on stdout, which is ours

async function start() {
  const { default: MathJax } = await import('@mathjax/src');
  const packages = ['ams', 'newcommand', 'mathtools', 'boldsymbol', 'cancel'];
  await MathJax.init({
    loader: {
      load: ['input/tex-base', 'output/svg', ...packages.map((name) => `[tex]/${name}`)],
      paths: { 'mathjax-stix2': '@mathjax/mathjax-stix2-font' },
    },
    tex: { packages: ['base', ...packages], formatError: (_, error) => { throw error; } },
    output: { font: 'mathjax-stix2', fontCache: 'none', linebreaks: { inline: false } },
    svg: { fontCache: 'none' },
  });
  return MathJax;
}

let mathjax;
async function draw(display, tex) {
  mathjax ??= await start();
  const { adaptor } = mathjax.startup;
  const svg = adaptor.tags(await mathjax.tex2svgPromise(tex, { display }), 'svg')[0];
  if (adaptor.getAttribute(svg, 'width') === '100%') throw new Error('\\tag: the press numbers');
  const [, y, w, h] = adaptor.getAttribute(svg, 'viewBox').split(' ').map((n) => n / 1000);
  const code = adaptor.serializeXML(svg)
    .replace(/ data-[\w-]+="[^"]*"/g, '') // for MathJax only
    .replaceAll('class="mjx-solid"', 'stroke-width="50"'); // an array's rule, whose style is elsewhere
  return { svg: code, w, h, depth: y + h };
}

const drawn = [];
mkdirSync(cache, { recursive: true });
for (const [display, tex] of JSON.parse(readFileSync(0, 'utf8'))) {
  const file = `${cache}/${createHash('sha256').update(`${setup}${display}${tex}`).digest('hex')}`;
  try {
    drawn.push(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    try {
      drawn.push(await draw(display, tex));
      writeFileSync(`${file}.${process.pid}`, JSON.stringify(drawn.at(-1)));
      renameSync(`${file}.${process.pid}`, file);
    } catch (error) {
      drawn.push({ error: error.message });
    }
  }
}
process.stdout.write(JSON.stringify(drawn));
