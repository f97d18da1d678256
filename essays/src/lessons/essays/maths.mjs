// stdin: JSON [[display, tex], …]; stdout: JSON [svg or {"error": …}, …], in the same order.
import { readFileSync } from 'node:fs';
import MathJax from '@mathjax/src';

console.log = console.error; // MathJax greets on stdout, which is ours
await MathJax.init({
  loader: {
    load: ['input/tex-base', 'output/svg', '[tex]/ams', '[tex]/newcommand', '[tex]/mathtools', '[tex]/boldsymbol', '[tex]/cancel'],
    paths: { 'mathjax-stix2': '@mathjax/mathjax-stix2-font' },
  },
  tex: {
    packages: ['base', 'ams', 'newcommand', 'mathtools', 'boldsymbol', 'cancel'],
    formatError: (_, error) => { throw error; },
  },
  output: { font: 'mathjax-stix2', fontCache: 'none', linebreaks: { inline: false } },
  svg: { fontCache: 'none' },
});
const { adaptor } = MathJax.startup;
const drawn = [];
for (const [display, tex] of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    const node = await MathJax.tex2svgPromise(tex, { display });
    drawn.push(adaptor.serializeXML(adaptor.tags(node, 'svg')[0]));
  } catch (error) {
    drawn.push({ error: error.message });
  }
}
process.stdout.write(JSON.stringify(drawn));
