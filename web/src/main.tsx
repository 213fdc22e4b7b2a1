// SPDX-License-Identifier: GPL-3.0-or-later
import { render } from 'preact';

function App() {
    return <h1>timbred</h1>;
}

const root = document.getElementById('app');
if (root) render(<App />, root);
