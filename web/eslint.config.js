// SPDX-License-Identifier: GPL-3.0-or-later
import tseslint from 'typescript-eslint';

const noMarkup = ['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'dangerouslySetInnerHTML'];

export default tseslint.config(
    { ignores: ['dist/', 'node_modules/'] },
    {
        files: ['src/**/*.ts', 'src/**/*.tsx'],
        extends: [...tseslint.configs.strict],
        rules: {
            eqeqeq: 'error',
            complexity: ['error', 25],
            'max-lines-per-function': ['error', { max: 120, skipBlankLines: true }],
            'max-lines': ['error', 600],
            'no-eval': 'error',
            'no-restricted-properties': [
                'error',
                { object: 'crypto', property: 'randomUUID', message: 'secure contexts only' },
            ],
            'no-restricted-syntax': [
                'error',
                ...noMarkup.map((name) => ({
                    selector: `[name="${name}"]`,
                    message: 'text only: names come from strangers',
                })),
            ],
            '@typescript-eslint/no-non-null-assertion': 'off',
        },
    },
);
