// SPDX-License-Identifier: GPL-3.0-or-later
import { render } from 'preact';
import { takeTokenFromAddress } from './core/api';
import { watchKeys } from './core/notes';
import { watchModels } from './core/models';
import { watchPatches } from './core/patches';
import { start } from './core/store';
import { watchTraining } from './core/training';
import { App } from './ui/app';
import { loadFonts } from './ui/theme';

takeTokenFromAddress();
addEventListener('hashchange', () => {
    if (takeTokenFromAddress()) location.reload();
});
loadFonts();
watchKeys();
watchPatches();
watchModels();
watchTraining();
void start();
render(<App />, document.getElementById('app')!);
