// Rules for every JavaScript file of the project: tests and tools run in Node, client and demo in browsers.
import js from '@eslint/js';
import globals from 'globals';

const strict = {
  eqeqeq: 'error',
  'no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
  'no-var': 'error',
  'prefer-const': 'error',
  'no-shadow': 'error',
  'no-implicit-globals': 'error',
  'require-atomic-updates': 'off',
  'max-len': ['error', { code: 130, ignoreUrls: true, ignoreTemplateLiterals: true, ignoreStrings: true }],
};

export default [
  { ignores: ['node_modules/', 'build/', '.run/', 'tests/out/', 'tests/recipes/prisma/generated/'] },
  js.configs.recommended,
  { files: ['**/*.{js,mjs}'], languageOptions: { ecmaVersion: 2023, sourceType: 'module' }, rules: strict },
  { files: ['tests/**', 'tools/**', '*.mjs'], languageOptions: { globals: globals.node } },
  { files: ['client/**', 'demo/**'], languageOptions: { globals: { ...globals.browser, ...globals.node } } },
];
