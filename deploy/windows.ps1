#Requires -RunAsAdministrator
# Installs Retort from this checkout and makes a task of it that starts with the machine.
param([ValidateSet('cpu', 'cuda', 'directml')][string]$Extra = 'cpu')
$ErrorActionPreference = 'Stop'

$checkout = Split-Path $PSScriptRoot
$program = Join-Path $env:ProgramFiles 'Retort'
$data = Join-Path $env:ProgramData 'Retort'
$settings = Join-Path $data 'retort.toml'
$localService, $system, $administrators = '*S-1-5-19', '*S-1-5-18', '*S-1-5-32-544'

py -m venv $program
if ($LASTEXITCODE) { throw 'py -m venv failed' }
& "$program\Scripts\pip" install "${checkout}[$Extra]"
if ($LASTEXITCODE) { throw 'pip install failed' }

New-Item -ItemType Directory -Force $data | Out-Null
icacls $data /inheritance:r /grant "${localService}:(OI)(CI)M" "${system}:(OI)(CI)F" `
    "${administrators}:(OI)(CI)F" | Out-Null
if ($LASTEXITCODE) { throw 'icacls failed' }
if (-not (Test-Path $settings)) {
    # Others reach the service with host = "0.0.0.0" and api_key = ["..."].
    "host = `"127.0.0.1`"`nport = 11434`nmodels = '$data\models'" | Set-Content $settings
}

# Task Scheduler keeps no output.
$command = "`"$program\Scripts\retort.exe`" serve --config `"$settings`" 2>> `"$data\retort.log`""
Register-ScheduledTask -Force -TaskName 'Retort' `
    -Action (New-ScheduledTaskAction -Execute 'cmd.exe' -Argument "/c `"$command`"" `
        -WorkingDirectory $data) `
    -Trigger (New-ScheduledTaskTrigger -AtStartup) `
    -Principal (New-ScheduledTaskPrincipal -UserId 'LOCALSERVICE' -LogonType ServiceAccount) `
    -Settings (New-ScheduledTaskSettingsSet -ExecutionTimeLimit ([TimeSpan]::Zero) -RestartCount 3 `
        -RestartInterval (New-TimeSpan -Minutes 1) -AllowStartIfOnBatteries `
        -DontStopIfGoingOnBatteries) | Out-Null
