# Builds, tests, measures and packs. build.sh is its twin for bash: same verbs, same output.
# Runs in Windows PowerShell 5.1 and in PowerShell 7.
$ErrorActionPreference = 'Stop'
Set-Location $PSScriptRoot
$env:DOTNET_NOLOGO = '1'
$env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
$env:DOTNET_CLI_UI_LANGUAGE = 'en'

$usage = @'
Usage: ./build.ps1 [VERB]

  build              build everything (Release) and count the lines of each room
  test [ARGS]        build, then run every test; ARGS go to the runner, as in --filter-class '*LayerNorm*'
  perf [WORD...]     measure everything beside the machine's limits and the peers, or the lines that hold all WORDs;
                     --quick, --gate, --roofline, --micro and more: ./build.ps1 perf --help
  kernels            compile native/kernels to native/ptx again (clang 19, bash); the same sources give the same bytes
  pack               make the NuGet packages of the libraries and of the tool in artifacts/packages
  clean              remove what the other verbs made
  help               this text

Without a verb: build and test.
'@

function Say($line) { [Console]::Out.WriteLine($line) }

function Fail($message, $code = 1) {
    [Console]::Error.WriteLine("build.ps1: $message")
    exit $code
}

function Need-Sdk {
    $settings = [IO.File]::ReadAllText([IO.Path]::Combine($PSScriptRoot, 'global.json'))
    $wanted = [regex]::Match($settings, '"version":\s*"([^"]*)"').Groups[1].Value
    $later = "$wanted or a later " + $wanted.Substring(0, $wanted.LastIndexOf('.')) + ' (https://dot.net/download)'
    if (-not (Get-Command dotnet -ErrorAction SilentlyContinue)) {
        Fail "the .NET SDK is missing: 'dotnet' is not on the PATH. Wanted: SDK $later."
    }
    $ErrorActionPreference = 'Continue'   # Windows PowerShell makes an error of a native program's standard error
    $said = (& dotnet --version 2>&1 | ForEach-Object { "$_" }) -join [Environment]::NewLine
    if ($LASTEXITCODE -ne 0) {
        $found = (& dotnet --list-sdks | ForEach-Object { $_.Split(' ')[0] }) -join ' '
        if (-not $found) { $found = 'none' }
        $text = "there is no .NET SDK that fits: wanted $later, found $found. 'dotnet --version' says:"
        Fail ($text + [Environment]::NewLine + $said)
    }
}

# Runs a program whose failure ends the script.
function Must {
    $program, $rest = $args
    & $program @rest | ForEach-Object { Say $_ }
    if ($LASTEXITCODE -ne 0) { exit 1 }
}

function Count-Lines {
    $line = 'lines of C#:'
    $rooms = @([IO.Directory]::GetDirectories([IO.Path]::Combine($PSScriptRoot, 'src')) | ForEach-Object { $_ })
    [Array]::Sort($rooms, [StringComparer]::Ordinal)
    $rooms += [IO.Path]::Combine($PSScriptRoot, 'tests')
    $rooms += [IO.Path]::Combine($PSScriptRoot, 'perf')
    foreach ($room in $rooms) {
        $count = 0
        foreach ($file in [IO.Directory]::GetFiles($room, '*.cs', 'AllDirectories')) {
            $count += [IO.File]::ReadAllLines($file).Length
        }
        $line += " $([IO.Path]::GetFileName($room)) $count"
    }
    Say $line
}

function Build {
    Need-Sdk
    Must dotnet build Engine.sln -c Release -v quiet
    Count-Lines
}

# Closes with the line "N passed, N failed", summed over all test projects.
function Test-All($runnerArguments) {
    Build
    $counts = @{ succeeded = 0; failed = 0; skipped = 0 }
    # 8: a project in which no test ran, which is so when a filter leaves none there.
    & dotnet test --solution Engine.sln -c Release --no-build --ignore-exit-code 8 @runnerArguments | ForEach-Object {
        Say $_
        if ($_ -match '^ *(succeeded|failed|skipped): *([0-9]+)\s*$') { $counts[$Matches[1]] = [int]$Matches[2] }
    }
    $status = [Math]::Min($LASTEXITCODE, 1)
    if ($LASTEXITCODE -lt 0) { $status = 1 }   # a crash on Windows
    if ($counts.succeeded + $counts.failed + $counts.skipped -eq 0) {
        [Console]::Error.WriteLine('build.ps1: no test ran')
        $status = 1
    }
    elseif ($status -ne 0 -and $counts.failed -eq 0) {
        $line = 'build.ps1: the tests that ran passed, but a test project ended with an error (see above)'
        [Console]::Error.WriteLine($line)
    }
    Say "$($counts.skipped) skipped"
    Say "$($counts.succeeded) passed, $($counts.failed) failed"
    exit $status
}

function Run-Perf($words) {
    Need-Sdk
    Must dotnet run -c Release --project perf -- @words
    if ($words -contains '--roofline') {
        Must dotnet run -c Release --project perf/roofline -- artifacts/perf/perf.json perf/roofline.svg
    }
}

function Pack {
    Need-Sdk
    foreach ($project in 'Engine', 'Cpu', 'Cuda', 'Cli') {
        Must dotnet pack "src/$project/$project.csproj" -c Release -v quiet -o artifacts/packages
    }
    foreach ($package in [IO.Directory]::GetFiles([IO.Path]::Combine($PSScriptRoot, 'artifacts', 'packages'))) {
        Say ([IO.Path]::GetFileName($package))
    }
}

function Clean {
    foreach ($folder in 'artifacts', 'BenchmarkDotNet.Artifacts') {
        $path = [IO.Path]::Combine($PSScriptRoot, $folder)
        if ([IO.Directory]::Exists($path)) { [IO.Directory]::Delete($path, $true) }
    }
}

$verb, $rest = $args
$rest = @($rest | Where-Object { $null -ne $_ })
switch ($verb) {
    { -not $_ } { Test-All @(); break }
    'build' { Build; break }
    'test' { Test-All $rest; break }
    'perf' { Run-Perf $rest; break }
    'kernels' { bash native/compile.sh; break }
    'pack' { Pack; break }
    'clean' { Clean; break }
    { $_ -in 'help', '-h', '--help' } { Say $usage; break }
    default {
        [Console]::Error.WriteLine("build.ps1: unknown verb '$verb'")
        [Console]::Error.WriteLine($usage)
        exit 2
    }
}
