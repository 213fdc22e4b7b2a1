/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli.h"

#include "dsp/engine.h"
#include "server/cli/cli_run.h"
#include "server/offline/render.h"

/* Every command with every option, once: from here come the parser, --help, the man page and the
 * completion. */

#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#define SETTING(KEY, VALUE, KIND, MIN, MAX, WORDS)                                                 \
    {.name = (KEY),                                                                                \
     .value = (VALUE),                                                                             \
     .kind = TB_OPTION_##KIND,                                                                     \
     .min = (MIN),                                                                                 \
     .max = (MAX),                                                                                 \
     .words = (WORDS),                                                                             \
     .help = "as in timbred.conf"},

static const struct tb_option serve[] = {
    {.name = "config",
     .value = "FILE",
     .kind = TB_OPTION_FILE,
     .help = "settings; /etc/timbred/timbred.conf where it exists"},
    {.name = "state", .value = "DIR", .kind = TB_OPTION_FILE, .help = "database and backups"},
    {.name = "verbose", .help = "tell more"},
#define TEXT(KEY, FIELD, DEFAULT) SETTING(KEY, "TEXT", TEXT, 0, 0, NULL)
#define NUMBER(KEY, FIELD, MIN, DEFAULT, MAX) SETTING(KEY, "N", WHOLE, MIN, MAX, NULL)
#define BOOL(KEY, FIELD, DEFAULT) SETTING(KEY, "WORD", WORD, 0, 0, "true|false")
#include "server/config.def"
#undef TEXT
#undef NUMBER
#undef BOOL
    END,
};

#define FLAG(NAME, HELP)                                                                           \
    {                                                                                              \
        .name = (NAME), .kind = TB_OPTION_FLAG, .help = (HELP)                                     \
    }
#define TEXT(NAME, VALUE, HELP)                                                                    \
    {                                                                                              \
        .name = (NAME), .value = (VALUE), .kind = TB_OPTION_TEXT, .help = (HELP)                   \
    }
#define FILE_(NAME, LETTER, HELP)                                                                  \
    {                                                                                              \
        .name = (NAME), .letter = (LETTER), .value = "FILE", .kind = TB_OPTION_FILE,               \
        .help = (HELP)                                                                             \
    }
#define WORD(NAME, WORDS, USUAL, HELP)                                                             \
    {                                                                                              \
        .name = (NAME), .value = "WORD", .kind = TB_OPTION_WORD, .words = (WORDS),                 \
        .usual = (USUAL), .help = (HELP)                                                           \
    }
#define NUMBER(NAME, VALUE, KIND, MIN, MAX, USUAL, HELP)                                           \
    {                                                                                              \
        .name = (NAME), .value = (VALUE), .kind = TB_OPTION_##KIND, .min = (MIN), .max = (MAX),    \
        .usual = (USUAL), .help = (HELP)                                                           \
    }

#define CLIENT                                                                                     \
    FLAG("json", "machine-readable output"),                                                       \
        TEXT("url", "URL",                                                                         \
             "the server, http://HOST:PORT (or TIMBRED_URL; the one of this machine)"),            \
        TEXT("token", "TOKEN", "its token (or TIMBRED_TOKEN; on this machine found by itself)"),   \
        {.name = "state",                                                                          \
         .value = "DIR",                                                                           \
         .kind = TB_OPTION_FILE,                                                                   \
         .help = "the store on this machine"},                                                     \
        FILE_("config", 0, "settings to read the address and the store from")

/* Of every command that asks a server, and of those that can do without. */
static const struct tb_option server[] = {CLIENT, END};
static const struct tb_option client[] = {
    CLIENT,
    FLAG("offline", "use the store itself, even when a server runs"),
    END,
};

static const struct tb_option only_json[] = {FLAG("json", "machine-readable output"), END};

static const struct tb_option patch_ls[] = {
    TEXT("category", "NAME", "only this category"),
    TEXT("tag", "NAME", "only with this tag"),
    TEXT("bank", "BANK", "only of this bank: a uuid or a name"),
    FLAG("favourite", "only favourites"),
    WORD("sort", "name|category|created|updated|relevance",
         "the bank's, else relevance with words, else name", "what the list is ordered by"),
    FLAG("descending", "the other way round"),
    NUMBER("limit", "N", WHOLE, 1, 500, "100", "at most so many"),
    NUMBER("offset", "N", WHOLE, 0, 1000000000, "0", "skip so many"),
    END,
};

static const struct tb_option patch_export[] = {
    FILE_("output", 'o', "where to; standard output without it"),
    WORD("format", "json|syx", "by the ending of --output, else json",
         "json keeps everything; syx is for a DX7"),
    TEXT("bank", "BANK", "the patches of this bank: a uuid or a name"),
    END,
};

static const struct tb_option model_import[] = {
    FLAG("replace", "take the place of another version of the model"),
    END,
};

static const struct tb_option output[] = {
    FILE_("output", 'o', "where to; standard output without it"),
    END,
};

static const struct tb_option model_rm[] = {FLAG("force", "even while it plays"), END};

static const struct tb_option model_use[] = {
    TEXT("b", "MODEL", "beside it as B (ab.mix), or none"),
    FLAG("force", "even where this device cannot afford it"),
    END,
};

static const struct tb_option render[] = {
    FILE_("output", 'o',
          "the WAV file, - is standard output; needed unless --voices, or last "
          "with --model"),
    TEXT("model", "MODEL", "play this model: a file, a uuid, a name, or none; else the patch's"),
    TEXT("model-b", "MODEL", "the same for B (ab.mix)"),
    FILE_("midi", 0, "play this standard MIDI file"),
    FILE_("input", 0, "play a model by the sound of this WAV file (timbre transfer)"),
    TEXT("notes", "LIST", "play key:velocity:start_s:duration_s,...; C4:100:0:2 without it"),
    NUMBER("voice", "N", WHOLE, 1, 128, "1", "which voice of a .syx file"),
    {.name = "set",
     .value = "KEY=VALUE",
     .kind = TB_OPTION_TEXT,
     .many = true,
     .help = "change a parameter, such as fm.op1.level=90; may be repeated"},
    FLAG("dry", "no effects, patch and master level at 0 dB"),
    FLAG("mono", "one channel, the left one"),
    WORD("format", "float|s16|s24", "float", "type of the samples"),
    NUMBER("rate", "HZ", WHOLE, 22050, 192000, "48000", "sample rate in Hz"),
    NUMBER("block", "FRAMES", WHOLE, TB_MIN_BLOCK, TB_MAX_BLOCK, "64",
           "frames that the engine makes at once"),
    NUMBER("seed", "N", WHOLE, 0, 4294967295.0, "1", "of everything random"),
    NUMBER("tail", "S", REAL, 0, 60, "10",
           "seconds to wait at most for silence after the last note"),
    NUMBER("length", "S", REAL, 0.001, TB_RENDER_MAX_SECONDS, "until silence",
           "exactly so many seconds instead"),
    WORD("cpu", "best|portable|avx2|avx512|neon", "best", "kernels to use"),
    FILE_("voices", 0, "batch: packed voices of 128 bytes"),
    FILE_("jobs", 0, "batch: lines of index note velocity hold_s total_s name"),
    END,
};

static const struct tb_option note[] = {
    NUMBER("duration", "MS", WHOLE, 1, 60000, "500", "milliseconds until the key is released"),
    FLAG("on", "leave the key down"),
    FLAG("off", "release the key"),
    END,
};

static const struct tb_option bench[] = {
    NUMBER("voices", "LIST", WHOLES, 1, TB_MAX_VOICES, "1,8,16,32,64", "voices that sound at once"),
    NUMBER("blocks", "LIST", WHOLES, TB_MIN_BLOCK, TB_MAX_BLOCK, "64,256", "frames a block"),
    NUMBER("rates", "LIST", WHOLES, 22050, 192000, "48000", "sample rates in Hz"),
    NUMBER("seconds", "S", REAL, 0.05, 60, "1", "seconds of each case"),
    TEXT("model", "LIST", "play these models: files, uuids, names, or none, which is plain FM"),
    FLAG("no-paced", "leave out the cases at the pace of a sound card"),
    FLAG("no-stress", "leave out patch changes, simultaneous notes and parameter sweeps"),
    FLAG("quick", "32 voices at 64 frames only, a quarter of a second"),
    WORD("cpu", "best|portable|avx2|avx512|neon", "best", "kernels to use"),
    NUMBER("priority", "N", WHOLE, 0, 95, "60", "SCHED_FIFO priority of paced cases; 0: none"),
    TEXT("remote", "URL", "run on the machine of this server, store the result there"),
    FLAG("force", "with --remote: even beside playing audio"),
    FLAG("compare", "show the results A and B side by side: files, or numbers with --remote"),
    FLAG("csv", "comma-separated values"),
    FILE_("output", 'o', "write the result (JSON, or with --csv) there, too"),
    END,
};

static const struct tb_option dataset[] = {
    TEXT("name", "TEXT", "what it is called; its folder's name"),
    TEXT("licence", "TEXT", "of the recordings, an SPDX expression"),
    TEXT("credit", "TEXT", "whom models of it must name"),
    TEXT("source", "TEXT", "where the recordings are from"),
    {.name = "only",
     .value = "PATTERN",
     .kind = TB_OPTION_TEXT,
     .many = true,
     .help = "take file names like this, such as \"*_normal*\"; may be repeated"},
    {.name = "exclude",
     .value = "PATTERN",
     .kind = TB_OPTION_TEXT,
     .many = true,
     .help = "leave such file names out; may be repeated"},
    FILE_("labels", 0, "CSV: file,note or file,start_s,end_s,note"),
    FLAG("ignore-names", "notes in file names mean nothing"),
    FLAG("known-notes", "take the pitch from the labels alone"),
    WORD("levels", "auto|natural|marks|each", "auto", "what keeps recordings comparable"),
    NUMBER("note-seconds", "S", REAL, 0, 60, "0",
           "damp single notes from 0.3 s to so many seconds; 0: never"),
    FILE_("soundfont", 0, "instead of FOLDER: seeded phrases played by this soundfont"),
    NUMBER("bank", "N", WHOLE, 0, 128, "0", "bank of the soundfont"),
    NUMBER("preset", "N", WHOLE, 0, 127, "0", "preset of the bank"),
    NUMBER("minutes", "M", REAL, 0.1, 600, "20", "minutes of phrases of the soundfont"),
    NUMBER("most-minutes", "M", REAL, 0.1, 1440, "120", "minutes of one file at most"),
    FLAG("low-rate", "take files below 16 kHz, which have nothing in the upper octave"),
    FLAG("replace", "make a data set anew that is there"),
    NUMBER("seed", "N", WHOLE, 0, 4294967295.0, "1", "of splits, rests and phrases"),
    END,
};

static const struct tb_option fm_env[] = {
    NUMBER("voice", "N", WHOLE, 1, 128, "1", "which voice of the file"),
    NUMBER("width", "N", WHOLE, 2, 512, "128", "hidden units"),
    NUMBER("batch", "N", WHOLE, 1, 64, "16", "notes a step"),
    NUMBER("rate", "R", REAL, 1e-7, 1, "0.004", "learning rate of AdamW at first"),
    NUMBER("low-key", "N", WHOLE, 0, 127, "24", "lowest key to learn"),
    NUMBER("high-key", "N", WHOLE, 0, 127, "96", "highest key to learn"),
    NUMBER("steps", "N", WHOLE, 1, 100000000, "no limit", "steps of training at most"),
    NUMBER("minutes", "M", REAL, 0.01, 100000, "4, with --steps no limit",
           "minutes of training at most"),
    NUMBER("seed", "N", WHOLE, 0, 4294967295.0, "1", "of everything random"),
    TEXT("name", "NAME", "of the model; the voice's"),
    TEXT("instrument", "NAME", "what it imitates"),
    TEXT("licence", "SPDX", "of the model"),
    TEXT("credit", "TEXT", "whom to name"),
    WORD("storage", "f16|f32", "f16", "type of the model's matrices"),
    END,
};

#define ABOUT_SET                                                                                  \
    TEXT("instrument", "NAME", "of a new data set: flute, violin ..."),                            \
        WORD("labels", "names|none|known", "names",                                                \
             "what file names tell: notes that mend octaves, nothing, or the pitch itself"),       \
        TEXT("licence", "SPDX", "of a new data set, and so of the model"),                         \
        TEXT("credit", "TEXT", "whom to name, likewise")

static const struct tb_option dataset_create[] = {ABOUT_SET, END};

static const struct tb_option training_start[] = {
    TEXT("name", "NAME", "of the training, and of a new data set; recordings"),
    ABOUT_SET,
    WORD("family", "ddx7|hpn|wavetable", "ddx7", "FM, harmonics and noise, or wavetables"),
    WORD("preset", "reduced|full", "reduced", "the published size"),
    WORD("voice", "flute|violin|trumpet|piano", "the instrument's",
         "ddx7: routing and ratios of a DX7 voice"),
    NUMBER("minutes", "M", REAL, 0.05, 10080, "20", "minutes of training"),
    NUMBER("batch", "N", WHOLE, 1, 64, "4", "clips a step"),
    NUMBER("seconds", "S", REAL, 0.25, 4, "1", "seconds of each clip"),
    NUMBER("rate", "R", REAL, 1e-6, 0.1, "0.003", "learning rate of AdamW"),
    NUMBER("seed", "N", WHOLE, 0, 2147483647, "1", "of everything random"),
    END,
};

static const struct tb_option training_resume[] = {
    NUMBER("minutes", "M", REAL, 0.05, 10080, "what is left, else as long again",
           "minutes of further training"),
    END,
};

static const struct tb_option training_clip[] = {
    FILE_("output", 'o', "the WAV file; standard output without it"),
    WORD("of", "original|model", "model", "as it was recorded, or as the best so far plays it"),
    END,
};

static const struct tb_option training_keep[] = {
    TEXT("name", "NAME", "of the model; the training's"),
    TEXT("licence", "SPDX", "the data set's"),
    TEXT("credit", "TEXT", "whom to name; the data set's"),
    END,
};

static const struct tb_option train[] = {
    WORD("family", "hpn|ddx7|wavetable", "hpn", "harmonics and noise, FM, or wavetables"),
    WORD("preset", "full|reduced", "reduced", "the published size"),
    NUMBER("width", "N", WHOLE, 2, 1024, "the preset's", "hidden units or channels"),
    NUMBER("blocks", "N", WHOLE, 1, 10, "the preset's", "ddx7: blocks of convolutions"),
    NUMBER("harmonics", "N", WHOLE, 1, 128, "100", "hpn: harmonics"),
    NUMBER("bands", "N", WHOLE, 3, 257, "65", "noise bands, a power of two plus one"),
    NUMBER("tables", "N", WHOLE, 1, 64, "20", "wavetable: how many"),
    NUMBER("table-size", "N", WHOLE, 16, 4095, "512", "wavetable: samples a period"),
    NUMBER("reverb", "S", REAL, 0, 10, "1", "seconds of learned impulse response; 0: none"),
    WORD("voice", "flute|violin|trumpet|piano", "flute", "ddx7: routing and ratios of a DX7 voice"),
    NUMBER("algorithm", "N", WHOLE, 1, 32, "the voice's", "ddx7: routing of a DX7 algorithm"),
    TEXT("ratios", "LIST", "ddx7: six other ratios, such as 1,1,1,2,2,1.5"),
    NUMBER("feedback", "N", REAL, 0, 7, "0", "ddx7: steps of feedback of the algorithm's operator"),
    NUMBER("max-level", "TURNS", REAL, 0.05, 8, "2",
           "ddx7: modulation at full level, in turns of 2 pi"),
    NUMBER("dropout", "P", REAL, 0, 0.9, "0.5", "ddx7: share of channels left out at random"),
    WORD("residuals", "default|none|conv", "default, which is the input",
         "ddx7: what goes past the inner blocks"),
    FILE_("from", 0, "begin with this model's weights and shape"),
    NUMBER("batch", "N", WHOLE, 1, 64, "16", "clips a step, of each process under mpirun"),
    NUMBER("seconds", "S", REAL, 0.128, 4, "4", "seconds of each clip, cut at random"),
    NUMBER("threads", "N", WHOLE, 1, 16, "the machine's", "threads; a run keeps its number"),
    NUMBER("rate", "R", REAL, 1e-7, 1, "0.001", "learning rate of AdamW"),
    NUMBER("decay", "F", REAL, 0.01, 1, "0.98", "factor of the rate in 10,000 steps"),
    NUMBER("warm-up", "N", REAL, 0, 100000, "100", "steps until the full rate"),
    NUMBER("clip", "X", REAL, 0.001, 1000, "3", "norm of the gradient at most"),
    NUMBER("weight-decay", "F", REAL, 0, 1, "0.01",
           "share of each weight that AdamW takes off, times the rate"),
    NUMBER("average", "F", REAL, 0, 0.9999, "0.995",
           "keep a running mean of the weights, so much of it each step"),
    NUMBER("floor", "DB", REAL, -120, -20, "none",
           "noise in dB under both sides of the loss; -60 helps ddx7"),
    NUMBER("seed", "N", WHOLE, 0, 4294967295.0, "1", "of everything random"),
    NUMBER("steps", "N", WHOLE, 1, 100000000, "no limit", "steps of the run in all"),
    NUMBER("minutes", "M", REAL, 0.01, 100000, "no limit", "minutes of this call"),
    NUMBER("validate", "N", WHOLE, 1, 1000000, "200", "steps between validations"),
    NUMBER("patience", "N", WHOLE, 0, 100000, "no limit",
           "end after so many validations without a better one; 0: never"),
    NUMBER("checkpoint", "S", REAL, 0, 100000, "120", "seconds between checkpoints"),
    FLAG("fresh", "pass over the checkpoint that is there"),
    TEXT("name", "NAME", "of the model; the data set's"),
    TEXT("instrument", "NAME", "what it imitates, \"flute\""),
    WORD("storage", "f16|f32", "f16", "type of the model's matrices"),
    FLAG("uncorrected", "leave the loudness that comes out as the network learned it"),
    FLAG("presets", "only list the published sizes"),
    END,
};

static const struct tb_option distill[] = {
    WORD("mode", "control|audio|both", "control", "what the student learns from the teacher"),
    FLAG("copy-tables", "the student plays the teacher's wavetables"),
    FLAG("copy-reverb", "the student has the teacher's reverb"),
    FLAG("json", "machine-readable output"),
    END,
};

static const struct tb_option prune[] = {
    NUMBER("width", "N", WHOLE, 1, 1023, NULL, "hidden units or channels that stay; needed"),
    FILE_("data", 0, "data set to train on afterwards; without it the model is left as cut"),
    NUMBER("steps", "N", WHOLE, 1, 100000000, "500", "steps of that training"),
    NUMBER("minutes", "M", REAL, 0.01, 100000, "no limit", "minutes of that training at most"),
    NUMBER("batch", "N", WHOLE, 1, 64, "4", "clips a step"),
    NUMBER("seconds", "S", REAL, 0.128, 4, "2", "seconds of each clip"),
    NUMBER("threads", "N", WHOLE, 1, 16, "the machine's", "threads"),
    NUMBER("rate", "R", REAL, 1e-7, 1, "0.001", "learning rate of AdamW"),
    NUMBER("floor", "DB", REAL, -120, -20, "none",
           "noise in dB under both sides of the loss; -60 helps ddx7"),
    NUMBER("seed", "N", WHOLE, 0, 4294967295.0, "1", "of everything random"),
    END,
};

static const struct tb_option quantize[] = {
    WORD("to", "int8|f16|bf16", "int8", "type of the weights"),
    FILE_("data", 0, "data set whose test split the result is tried on; phrases without it"),
    FLAG("keep-uuid", "the result takes MODEL's place: model import --replace; else it is another"),
    NUMBER("most-loss", "LOSS", REAL, 0, 100, "no limit",
           "write nothing when the spectral loss of the sound is above"),
    END,
};

static const struct tb_option eval[] = {
    {.name = "data",
     .value = "DIR",
     .kind = TB_OPTION_FILE,
     .many = true,
     .help = "data set whose test split it is held against; several with --table"},
    FILE_("against", 0, "another model whose sound it is held against"),
    {.name = "table",
     .value = "DIR",
     .kind = TB_OPTION_FILE,
     .help = "a line for every model of this folder"},
    NUMBER("clips", "N", WHOLE, 1, 10000, "32 clips, 8 phrases",
           "clips or phrases at most, evenly spread"),
    FILE_("html", 0, "write a page with spectrograms and players, too"),
    FLAG("dry", "leave the learned reverb out"),
    FLAG("calibrate", "first measure MODEL's loudness on the training split and correct it there"),
    FLAG("uncorrected", "without the loudness offsets of the model"),
    FLAG("held", "levels stand for a frame, as published, instead of moving to the next"),
    FLAG("cut-noise", "cut the noise filter in half, as published"),
    END,
};

static const struct tb_option url[] = {FLAG("qr", "draw a QR code"),
                                       FLAG("no-token", "without a token in the link"), END};

static const struct tb_option token_add[] = {
    WORD("role", "read|play|admin", "play", "what it allows"),
    TEXT("label", "TEXT", "what it is for"),
    END,
};

static const struct tb_option none[] = {END};

#define COMMAND(NAME, OPERANDS, MIN, MAX, OPTIONS, COMMON, SUMMARY, DETAILS)                       \
    {                                                                                              \
        .name = (NAME), .operands = (OPERANDS), .min_operands = (MIN), .max_operands = (MAX),      \
        .options = (OPTIONS), .common = (COMMON), .summary = (SUMMARY), .details = (DETAILS)       \
    }

const struct tb_cli_entry tb_cli_entries[] = {
    {COMMAND("serve", "", 0, 0, serve, NULL, "Plays, and serves the panel and the API (default).",
             "Prints the address with a token, and which audio device plays and why. SIGHUP reads "
             "the settings again: a changed audio device, driver, rate, block or periods is taken "
             "over, everything else needs a restart and is named in the log. SIGTERM stops. One "
             "serves from a state folder; a second one ends at once with status 75."),
     NULL},
    {COMMAND("patch ls", "[WORD...]", 0, 16, patch_ls, client, "Lists patches.",
             "With words: those that hold all of them in name, author, category, tags or comment."),
     tb_run_patch_ls},
    {COMMAND("patch show", "PATCH", 1, 1, none, client, "Shows one patch with all its values.",
             "PATCH is a uuid or a whole name."),
     tb_run_patch_show},
    {COMMAND("patch import", "FILE...", 1, TB_MAX_OPERANDS, none, client,
             "Imports DX7 .syx files or our own JSON.",
             "Every case of system exclusive that players meet is understood; what was mended is "
             "told. \"-\" is standard input."),
     tb_run_patch_import},
    {COMMAND("patch export", "[PATCH...]", 0, TB_MAX_OPERANDS, patch_export, client,
             "Exports patches as one file, or as DX7 cartridges.",
             "Without PATCH and --bank: all of them. A .syx file holds 32 voices: more of them go "
             "to NAME-1.syx, NAME-2.syx ..., which are told. A bank, or all, goes there without "
             "the patches that networks play."),
     tb_run_patch_export},
    {COMMAND("patch load", "PATCH", 1, 1, none, server, "Lets the server play this patch.", NULL),
     tb_run_patch_load},
    {COMMAND("patch rm", "PATCH", 1, 1, none, server, "Deletes a patch; a factory patch stays.",
             NULL),
     tb_run_patch_rm},
    {COMMAND("model ls", "[WORD...]", 0, 16, none, client, "Lists neural models.",
             "With words: those that hold all of them in name, instrument, family or source."),
     tb_run_model_ls},
    {COMMAND("model info", "MODEL|FILE", 1, 1, none, client, "Tells about one model.",
             "A file is checked and measured here, as the server does it with an upload."),
     tb_run_model_info},
    {COMMAND("model import", "FILE...", 1, TB_MAX_OPERANDS, model_import, server,
             "Uploads models to the server.", NULL),
     tb_run_model_import},
    {COMMAND("model export", "MODEL", 1, 1, output, client, "Gets the file of a model.", NULL),
     tb_run_model_export},
    {COMMAND("model rm", "MODEL", 1, 1, model_rm, server, "Deletes a model.", NULL),
     tb_run_model_rm},
    {COMMAND("model use", "MODEL|none", 1, 1, model_use, server,
             "Lets the server play through this model.", NULL),
     tb_run_model_use},
    {COMMAND(
         "render", "[PATCH|FILE|OUTDIR]", 0, 1, render, client,
         "Plays a patch into a WAV file, faster than real time.",
         "PATCH is a uuid or a name; FILE a .syx or .json file, then neither server nor store "
         "is needed. With --model and no PATCH: that model alone, into OUTPUT.wav as the last "
         "word or --output. The same input gives the same bytes on the same kernels. With --voices "
         "and --jobs: a batch for comparisons, each job one note of a fresh voice to "
         "OUTDIR/NAME.wav, mono, float, 48 kHz, dry: no effects, patch and master level at 0 "
         "dB. What remains between the operators and the file is a DC block at 5 Hz and the "
         "limiter, which does nothing below -0.3 dBFS."),
     tb_run_render},
    {COMMAND("note", "KEY [VELOCITY]", 1, 2, note, server, "Plays a note on the server.",
             "KEY is 0..127 or a name: C4 is 60. VELOCITY is 1..127, 100 without it."),
     tb_run_note},
    {COMMAND("panic", "", 0, 0, none, server, "Silences the server at once.", NULL), tb_run_panic},
    {COMMAND("status", "", 0, 0, none, server, "Tells what the server does.", NULL), tb_run_status},
    {COMMAND("bench", "[A B]", 0, 2, bench, client,
             "Measures the engine: voices x block x rate against the deadline.",
             "Offline as fast as it goes, and paced like a sound card beside a witness thread that "
             "shows what the machine itself delays."),
     tb_run_bench},
    {COMMAND("dataset", "[FOLDER] OUT", 1, 2, dataset, only_json,
             "Makes a data set of recordings, or of a soundfont, for training.",
             "Every WAV, FLAC, MP3, OGG and AIFF file below FOLDER is brought to 16 kHz, one "
             "channel, and heard by the analysis that the engine uses live. Notes in file names "
             "(flute_A4_forte.wav), MIDI files beside recordings and --labels mend its octaves. "
             "Silence goes, files that are noise, chords or silence are refused with the reason. "
             "OUT gets clips of 4 s with pitch, loudness and confidence, dataset.json and "
             "report.html, whole or not at all."),
     tb_run_training},
    {COMMAND("dataset ls", "", 0, 0, none, server,
             "Lists the recordings that the server keeps for trainings.",
             "Those that came by the panel's Train page or by `timbred training start`."),
     tb_run_dataset_ls},
    {COMMAND("dataset show", "DATASET", 1, 1, none, server, "Shows one of them, with its files.",
             "DATASET is a uuid or a name. A training tells which recordings were of no use."),
     tb_run_dataset_show},
    {COMMAND("dataset create", "NAME [RECORDING...]", 1, TB_MAX_OPERANDS, dataset_create, server,
             "Makes a data set on the server, of recordings that are uploaded.",
             "WAV, AIFF, FLAC, OGG, Opus or MP3; none of it is left where one is refused."),
     tb_run_dataset_create},
    {COMMAND("dataset add", "DATASET RECORDING...", 2, TB_MAX_OPERANDS, none, server,
             "Uploads further recordings to a data set of the server.",
             "Not while a training uses it; the next one prepares it again."),
     tb_run_dataset_add},
    {COMMAND("dataset rm", "DATASET [RECORDING...]", 1, TB_MAX_OPERANDS, none, server,
             "Deletes a data set of the server, or recordings of it.",
             "Not while a training uses it. Trainings and models that came of it stay."),
     tb_run_dataset_rm},
    {COMMAND("train", "DATASET RUNDIR", 0, 2, train, only_json,
             "Makes an instrument of a data set.",
             "Goes on from RUNDIR's checkpoint where there is one, and writes the best so far to "
             "RUNDIR/model.safetensors. SIGTERM and SIGINT write a checkpoint and end. What a run "
             "does depends only on its options and seed, however often it was interrupted. With "
             "--json: a line a report."),
     tb_run_training},
    {COMMAND("fm-env", "VOICE MODEL", 2, 2, fm_env, only_json,
             "Turns a DX7 voice into a neural one, from its own envelopes.",
             "VOICE is a .syx file or a patch that was exported as JSON. A small recurrent network "
             "learns what the six envelope generators do for any key, velocity and length; MODEL "
             "becomes a model file of family fm_envelope. Pitch envelope and LFO are not in it."),
     tb_run_training},
    {COMMAND("distill", "TEACHER DATASET RUNDIR", 3, 3, distill, train,
             "Trains a small model that learns from a large one as well.",
             "audio: half of the loss is against the teacher's sound; any family. control: what "
             "the decoder asks for follows the teacher's; the student has the teacher's "
             "synthesiser, and --preset, --width and --blocks say how large its decoder is. "
             "Losses that are told for validation and test are against the recordings."),
     tb_run_training},
    {COMMAND("prune", "MODEL OUT", 2, 2, prune, only_json,
             "Removes the units of a model that weigh least.",
             "Whole hidden units or channels, by the size of their weights, then training on what "
             "is left. The losses told are those of the data set's test split."),
     tb_run_training},
    {COMMAND("quantize", "MODEL OUT", 2, 2, quantize, only_json,
             "Makes a model file smaller and tells what that costs.",
             "int8: one scale an output; which large weights are better clipped is tried on the "
             "data. The report has the error of the decoder's controls and the spectral loss of "
             "the sound against the model before."),
     tb_run_training},
    {COMMAND("eval", "[MODEL]", 0, 1, eval, only_json,
             "Measures a model: loss, pitch, loudness, spectrum, clicks, cost.",
             "Plays the test split of a data set with it and compares. With --against and no data "
             "both models play phrases made up. Numbers in brackets are those of the recordings "
             "themselves: what the measure cannot tell."),
     tb_run_training},
    {COMMAND("doctor", "", 0, 0, none, only_json,
             "Tells what this machine lacks for real time, and how to mend it.", NULL),
     NULL},
    {COMMAND("training ls", "", 0, 0, none, server, "Lists the trainings of the server.", NULL),
     tb_run_training_ls},
    {COMMAND("training show", "TRAINING", 1, 1, none, server, "Tells how a training stands.",
             "TRAINING is a uuid or a name."),
     tb_run_training_show},
    {COMMAND("training start", "DATASET|RECORDING...", 1, TB_MAX_OPERANDS, training_start, server,
             "Has the server train an instrument in the background.",
             "Recordings are uploaded as a new data set; DATASET is a uuid or a name of one that "
             "is there. `timbred train` trains here instead."),
     tb_run_training_start},
    {COMMAND("training stop", "TRAINING", 1, 1, none, server,
             "Stops a training; what it learned stays.", NULL),
     tb_run_training_stop},
    {COMMAND("training resume", "TRAINING", 1, 1, training_resume, server,
             "Goes on with a training from where it was.", NULL),
     tb_run_training_resume},
    {COMMAND("training clip", "TRAINING INDEX", 2, 2, training_clip, server,
             "Gets 4 s that were held out, or the same by the best so far.",
             "INDEX is one of the clips that `training show --json` lists, from 0."),
     tb_run_training_clip},
    {COMMAND("training keep", "TRAINING", 1, 1, training_keep, server,
             "Makes a model of the best so far, and a patch that plays it.", NULL),
     tb_run_training_keep},
    {COMMAND("training rm", "TRAINING", 1, 1, none, server,
             "Deletes a training, not the model that it was kept as.", NULL),
     tb_run_training_rm},
    {COMMAND("backup export", "", 0, 0, output, client,
             "Gets everything as one file: patches, banks, tokens, settings.",
             "Not the files of uploaded models, recordings and trainings. The server keeps backups "
             "of its own as backup-TIME.db in the state folder; each can be restored likewise."),
     tb_run_backup_export},
    {COMMAND("backup restore", "FILE", 1, 1, none, client,
             "Puts a backup in the place of everything.",
             "Tokens stay those of this device, and what was there before stays as a file in the "
             "state folder. A server takes up to 64 MiB (about 60,000 patches); for more stop it "
             "and run this again."),
     tb_run_backup_restore},
    {COMMAND("url", "", 0, 0, url, server, "Prints the address of the panel with a fresh token.",
             NULL),
     tb_run_url},
    {COMMAND("token ls", "", 0, 0, none, client, "Lists tokens (never their text).", NULL),
     tb_run_token_ls},
    {COMMAND("token add", "", 0, 0, token_add, client, "Makes a token and prints it, once.", NULL),
     tb_run_token_add},
    {COMMAND("token rm", "ID", 1, 1, none, client, "Withdraws a token.", NULL), tb_run_token_rm},
    {COMMAND("help", "[COMMAND [WORD]]", 0, 2, none, NULL, "Tells about commands.",
             "--format=man and --format=bash write the man page and the completion."),
     NULL},
    {.command = {.name = NULL}},
};
