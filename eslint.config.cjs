// SPDX-License-Identifier: Apache-2.0
// The rules of `scripts/check page`. Layout is ESLint's own as far as it goes: lines keep to 100
// columns.
const js = require('@eslint/js');

const readonly = (...names) => Object.fromEntries(names.map((name) => [name, 'readonly']));

const rules = {
  ...js.configs.recommended.rules,
  'array-callback-return': 'error',
  'consistent-return': 'error',
  'default-case-last': 'error',
  eqeqeq: 'error',
  'max-len': ['error', { code: 100 }],
  'no-else-return': 'error',
  'no-implicit-coercion': 'error',
  'no-lonely-if': 'error',
  'no-shadow': 'error',
  'no-unneeded-ternary': 'error',
  'no-unused-expressions': 'error',
  'no-use-before-define': ['error', { functions: false }],
  'no-useless-return': 'error',
  'no-var': 'error',
  'object-shorthand': 'error',
  'prefer-const': 'error',
  'prefer-template': 'error',
};

// The page's policy forbids these, and text of a model must never be read as HTML.
const asText = {
  'no-eval': 'error',
  'no-implied-eval': 'error',
  'no-new-func': 'error',
  'no-script-url': 'error',
  'no-restricted-properties': ['error',
    ...['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'srcdoc'].map((property) => (
      { property, message: 'It reads HTML. Use textContent, append or el of format.js.' })),
    { object: 'document', property: 'write', message: 'It reads HTML.' },
  ],
};

module.exports = [
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['report/page/*.js'],
    languageOptions: {
      ecmaVersion: 2020,
      sourceType: 'module',
      globals: readonly('Blob', 'Intl', 'URL', 'd3', 'document', 'getComputedStyle', 'setTimeout',
        'window'),
    },
    rules: { ...rules, ...asText },
  },
  {
    files: ['**/*.cjs', 'bench/*.js'],
    languageOptions: {
      ecmaVersion: 2020,
      sourceType: 'commonjs',
      globals: readonly('BigInt64Array', 'console', 'module', 'process', 'require'),
    },
    rules,
  },
];
