// SPDX-License-Identifier: GPL-3.0-or-later
import { signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { forKeys, panic } from '../core/notes';
import { step } from '../core/patches';
import {
    algorithmParam,
    routingParam,
    arrangement,
    command,
    link,
    notice,
    schema,
    volumeParam,
} from '../core/store';
import { running, summoned } from '../core/training';
import { AlgorithmView } from './algorithm';
import { Browser, SEARCH_ID } from './browser';
import { Control } from './control';
import { DevicePage } from './device';
import { Display, Meters, Scope, SpectrumView } from './displays';
import { Icon, type IconName } from './icons';
import { Imports } from './imports';
import { Keyboard } from './keyboard';
import { ModelBrowser, Refused } from './models';
import { CurvesNow, Decisions, MainDecision, Missing, Plate, playsNetwork } from './neural';
import { Onboard } from './onboard';
import { LevelHistory, OperatorPage, OperatorStrip, pitchOf, selected } from './operator';
import { PatchActions, PatchDialogs, PatchName, saveNow } from './patchbar';
import { SectionPage } from './sections';
import { ListenButton, PanicButton, StatusBar } from './status';
import { TrainingPage } from './training';

type Tab = 'play' | 'sound' | 'patches' | 'train' | 'device';
const tab = signal<Tab>('play');
/** The page under the strips: an operator where empty, else the section of this title. */
const section = signal('');
/** What the list beside the instrument holds. */
const shelf = signal<'patches' | 'models'>('patches');

/** As a phone on its side. */
const LOW = '(max-height: 559px)';
const PHONE = `(max-width: 999px), ${LOW}`;
const TABS: [Tab, string, IconName][] = [
    ['play', 'Play', 'keys'],
    ['sound', 'Sound', 'sliders'],
    ['patches', 'Patches', 'list'],
    ['train', 'Train', 'learn'],
    ['device', 'Device', 'device'],
];

function useMedia(query: string): boolean {
    const list = matchMedia(query);
    const matches = useSignal(list.matches);
    useEffect(() => {
        const update = () => (matches.value = list.matches);
        list.addEventListener('change', update);
        return () => list.removeEventListener('change', update);
    }, []);
    return matches.value;
}

function focusSearch(): boolean {
    const field = document.getElementById(SEARCH_ID) as HTMLInputElement | null;
    field?.focus();
    field?.select();
    return field !== null;
}

function onShortcut(event: KeyboardEvent): void {
    if ((event.ctrlKey || event.metaKey) && !event.altKey) {
        const key = event.key.toLowerCase();
        const act =
            key === 'z' && !event.shiftKey
                ? () => command({ type: 'undo' })
                : key === 'y' || key === 'z'
                  ? () => command({ type: 'redo' })
                  : key === 's'
                    ? saveNow
                    : null;
        if (!act || document.querySelector('dialog[open]')) return;
        event.preventDefault();
        act();
        return;
    }
    if (!forKeys(event)) return;
    if (event.key === 'Escape') panic();
    else if (event.key === '/') {
        event.preventDefault();
        tab.value = 'patches';
        shelf.value = 'patches';
        if (!focusSearch()) requestAnimationFrame(focusSearch);
    } else if (event.key === '[' || event.key === ']') void step(event.key === '[' ? -1 : 1);
}

export function App() {
    const phone = useMedia(PHONE);
    useEffect(() => {
        addEventListener('keydown', onShortcut);
        return () => removeEventListener('keydown', onShortcut);
    }, []);
    useEffect(() => {
        if (summoned.value) tab.value = 'train';
    }, [summoned.value]);
    if (link.value === 'refused') return <Onboard />;
    if (!schema.value)
        return (
            <main class="onboard">
                <h1 class="wordmark">timbred</h1>
                <p role="status">
                    {link.value === 'lost'
                        ? 'The device does not answer; trying again …'
                        : 'Opening …'}
                </p>
            </main>
        );
    return (
        <div class={`panel ${phone ? 'phone' : 'desk'} ${link.value === 'open' ? '' : 'away'}`}>
            {phone ? <Phone /> : <Desk />}
            <PatchDialogs />
            <Refused />
            <Imports />
            <Notice />
        </div>
    );
}

function browseModels(): void {
    shelf.value = 'models';
    tab.value = 'patches';
}

/** Patches or models, in the same place. */
function Shelf() {
    const one = (name: typeof shelf.value, text: string) => (
        <button
            type="button"
            class="tab"
            aria-pressed={shelf.value === name}
            onClick={() => (shelf.value = name)}
        >
            {text}
        </button>
    );
    return (
        <div class="shelf">
            <div class="tabs" role="group" aria-label="List">
                {one('patches', 'Patches')}
                {one('models', 'Models')}
            </div>
            {shelf.value === 'patches' ? <Browser /> : <ModelBrowser />}
        </div>
    );
}

function Notice() {
    const now = notice.value;
    return (
        <div class="notices" aria-live="polite">
            {now && (
                <div class={now.bad ? 'notice bad' : 'notice'}>
                    {now.text}
                    {now.act && (
                        <button type="button" class="small" onClick={now.act.run}>
                            {now.act.text}
                        </button>
                    )}
                </div>
            )}
        </div>
    );
}

function Desk() {
    const now = tab.value;
    const page = (name: Tab, text: string, icon: IconName, more = '') => (
        <button
            type="button"
            class={`iconic ${more}`}
            aria-label={text}
            title={text}
            aria-pressed={now === name}
            onClick={() => (tab.value = now === name ? 'play' : name)}
        >
            <Icon name={icon} />
        </button>
    );
    return (
        <>
            <header class="top">
                <span class="wordmark">timbred</span>
                <PatchName />
                <PatchActions />
                <div class="spacer" />
                <Volume />
                <ListenButton />
                <PanicButton />
                {page('train', 'Train', 'learn', running.value ? 'learns' : '')}
                {page('device', 'Device', 'device')}
            </header>
            <aside>
                <Shelf />
            </aside>
            <main>
                {now === 'device' ? (
                    <DevicePage />
                ) : now === 'train' ? (
                    <TrainingPage />
                ) : (
                    <Instrument />
                )}
            </main>
            <footer class="bottom">
                <Keyboard ribbons />
                <StatusBar />
            </footer>
        </>
    );
}

/** The device's own level, wherever the schema keeps it. */
function Volume() {
    const param = volumeParam.value;
    return param && <Control param={param} bar />;
}

function VoiceControls() {
    const params = arrangement.value!.voice.filter((param) => param !== algorithmParam.value);
    return (
        <div class="knobs voice">
            {params.map((param) => (
                <Control key={param.key} param={param} />
            ))}
        </div>
    );
}

/** The section that is open, or the first where operators have no page. */
function openSection() {
    const { sections } = arrangement.value!;
    const open = sections.find(({ title }) => title === section.value);
    return open ?? (playsNetwork() ? sections[0] : undefined);
}

function Instrument() {
    const missing = <Missing browse={browseModels} />;
    return (
        <>
            {missing}
            {playsNetwork() ? <NeuralInstrument /> : <FmInstrument />}
        </>
    );
}

function NeuralInstrument() {
    const open = openSection();
    return (
        <div class="instrument neural">
            <div class="hero">
                <Plate browse={browseModels} />
                {routingParam.value && <AlgorithmView param={routingParam.value} />}
                <CurvesNow />
                <Scope />
                <SpectrumView />
                <Meters />
            </div>
            <Decisions />
            <section class="detail" aria-label="Details">
                <SectionTabs />
                {open && <SectionPage section={open} />}
            </section>
        </div>
    );
}

function FmInstrument() {
    const { operators, sections } = arrangement.value!;
    const open = sections.find(({ title }) => title === section.value);
    const operator = operators.find(({ number }) => number === selected.value) ?? operators[0];
    return (
        <div class="instrument">
            <div class="hero">
                {algorithmParam.value && <AlgorithmView param={algorithmParam.value} />}
                <VoiceControls />
                <Scope />
                <SpectrumView />
                <Meters />
            </div>
            <div class="strips" onClickCapture={() => (section.value = '')}>
                {operators.map((each) => (
                    <OperatorStrip key={each.number} operator={each} />
                ))}
            </div>
            <section class="detail" aria-label="Details">
                <SectionTabs operatorTab />
                {open ? (
                    <SectionPage section={open} />
                ) : (
                    operator && <OperatorPage operator={operator} />
                )}
            </section>
        </div>
    );
}

function SectionTabs({ operatorTab = false }: { operatorTab?: boolean }) {
    const { sections } = arrangement.value!;
    const network = playsNetwork();
    const now = network ? openSection()?.title : section.value;
    const one = (title: string, text: string) => (
        <button
            type="button"
            key={title}
            class="tab"
            aria-pressed={now === title}
            onClick={() => (section.value = title)}
        >
            {text}
        </button>
    );
    return (
        <div class="tabs" role="group" aria-label="Section">
            {operatorTab && one('', `Operator ${selected.value}`)}
            {!operatorTab && !network && one('', 'Operators')}
            {sections.map(({ title }) => one(title, title))}
        </div>
    );
}

function Phone() {
    const low = useMedia(LOW);
    const keysShown = useSignal(!low);
    useEffect(() => void (keysShown.value = !low), [low]);
    const play = tab.value === 'play';
    return (
        <>
            <header class="top">
                <PatchName />
                {(play || tab.value === 'sound') && <PhoneTools />}
            </header>
            <StatusBar />
            <main class={`tab-${tab.value}`}>
                {play && <PhonePlay />}
                {tab.value === 'sound' && <PhoneSound />}
                {tab.value === 'patches' && <Shelf />}
                {tab.value === 'train' && <TrainingPage />}
                {tab.value === 'device' && <DevicePage />}
            </main>
            <footer class={`bottom ${play ? 'large' : ''}`}>
                {(play || keysShown.value) && (
                    <Keyboard ribbons={play}>{play && <Volume />}</Keyboard>
                )}
                <nav class="tabbar" aria-label="Pages">
                    {TABS.map(([name, text, icon]) => (
                        <button
                            type="button"
                            key={name}
                            aria-current={tab.value === name ? 'page' : undefined}
                            onClick={() => (tab.value = name)}
                        >
                            <Icon name={icon} />
                            {text}
                        </button>
                    ))}
                    {!play && (
                        <button
                            type="button"
                            aria-pressed={keysShown.value}
                            aria-label="Show the keys"
                            onClick={() => (keysShown.value = !keysShown.value)}
                        >
                            <Icon name={keysShown.value ? 'down' : 'up'} />
                            Keys
                        </button>
                    )}
                </nav>
            </footer>
        </>
    );
}

function PhoneTools() {
    return (
        <div class="tools">
            <ListenButton />
            <PatchActions />
            <PanicButton />
        </div>
    );
}

function PhonePlay() {
    const { operators } = arrangement.value!;
    return (
        <div class="play">
            <div class="screens">
                {playsNetwork() ? <MainDecision /> : <Display />}
                <Meters />
            </div>
            {playsNetwork() ? (
                <PhoneDecisions />
            ) : (
                <div class="levels">
                    {operators.map((operator) => (
                        <button
                            type="button"
                            class={`plain op-${operator.number}`}
                            key={operator.number}
                            aria-label={`Operator ${operator.number}, ${pitchOf(operator)}: edit`}
                            onClick={() => {
                                selected.value = operator.number;
                                section.value = '';
                                tab.value = 'sound';
                            }}
                        >
                            <LevelHistory number={operator.number} />
                            <span>
                                <b>{operator.number}</b> {pitchOf(operator)}
                            </span>
                        </button>
                    ))}
                </div>
            )}
        </div>
    );
}

/** On a phone the playing page shows the curves; all the rest is under Sound. */
function PhoneDecisions() {
    return (
        <div class="phone-neural">
            <Plate browse={browseModels} />
            <CurvesNow />
        </div>
    );
}

function PhoneSound() {
    const { operators } = arrangement.value!;
    const open = openSection();
    const operator = operators.find(({ number }) => number === selected.value) ?? operators[0];
    const on = operator?.byName.get('on');
    return (
        <div class="sound">
            <Missing browse={browseModels} />
            {playsNetwork() && <Decisions />}
            <SectionTabs />
            {open ? (
                <SectionPage section={open} />
            ) : (
                <>
                    <div class="voice-row">
                        {algorithmParam.value && <AlgorithmView param={algorithmParam.value} />}
                        <VoiceControls />
                    </div>
                    <div class="badges" role="group" aria-label="Operator">
                        {operators.map(({ number }) => (
                            <button
                                type="button"
                                key={number}
                                class={`badge op-${number}`}
                                aria-pressed={number === selected.value}
                                aria-label={`Operator ${number}`}
                                onClick={() => (selected.value = number)}
                            >
                                {number}
                            </button>
                        ))}
                        {on && <Control key={on.key} param={on} label="" />}
                    </div>
                    {operator && (
                        <div class={`op-${operator.number} phone-op`}>
                            <LevelHistory key={operator.number} number={operator.number} />
                            <OperatorPage key={operator.number} operator={operator} />
                        </div>
                    )}
                </>
            )}
        </div>
    );
}
