// Chromium by its driver, as a page is really shown. The driver speaks the W3C's protocol: JSON over HTTP, so no package is needed.
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Cli.Tests;

/// <summary>A browser without a window; ended with this object.</summary>
internal sealed class Browser : IDisposable
{
    private static readonly string[] Arguments =
        ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];

    private readonly Process _driver;
    private readonly HttpClient _client;
    private readonly string _profile = Directory.CreateTempSubdirectory("engine-browser-").FullName;
    private string _session = "";

    private Browser(Process driver, int port)
    {
        _driver = driver;
        _client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}/"), Timeout = TimeSpan.FromSeconds(120) };
    }

    /// <summary>Why there is none here; null: there is one.</summary>
    public static string? Missing => Find("chromedriver") is null ? "chromedriver is not on the PATH."
        : Find("chromium") is null ? "chromium is not on the PATH." : null;

    public static async Task<Browser> OpenAsync(int width, int height, CancellationToken cancellation)
    {
        int port = FreePort();
        var start = new ProcessStartInfo(Find("chromedriver")!, [$"--port={port}"])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        var browser = new Browser(Process.Start(start)!, port);
        try
        {
            await browser.WaitForDriverAsync(cancellation);
            await browser.BeginAsync(width, height, cancellation);
            return browser;
        }
        catch
        {
            browser.Dispose();
            throw;
        }
    }

    public Task ShowAsync(string file, CancellationToken cancellation) =>
        SendAsync("url", new JsonObject { ["url"] = new Uri(file).AbsoluteUri }, cancellation);

    /// <summary>What a script of the page returns.</summary>
    public async Task<JsonElement> RunAsync(string script, CancellationToken cancellation) => await SendAsync(
        "execute/sync", new JsonObject { ["script"] = script, ["args"] = new JsonArray() }, cancellation);

    /// <summary>Presses a key where the focus is.</summary>
    public Task PressAsync(string key, CancellationToken cancellation) => SendAsync(
        "actions", new JsonObject
        {
            ["actions"] = new JsonArray(new JsonObject
            {
                ["type"] = "key", ["id"] = "keyboard",
                ["actions"] = new JsonArray(
                    new JsonObject { ["type"] = "keyDown", ["value"] = key }, new JsonObject { ["type"] = "keyUp", ["value"] = key }),
            }),
        }, cancellation);

    /// <summary>Moves the pointer in the window.</summary>
    public Task PointAsync(int x, int y, CancellationToken cancellation) => SendAsync(
        "actions", new JsonObject
        {
            ["actions"] = new JsonArray(new JsonObject
            {
                ["type"] = "pointer", ["id"] = "mouse",
                ["actions"] = new JsonArray(new JsonObject { ["type"] = "pointerMove", ["duration"] = 0, ["x"] = x, ["y"] = y }),
            }),
        }, cancellation);

    /// <summary>Says what the page is told of the system's colours.</summary>
    public Task PreferAsync(string scheme, CancellationToken cancellation) => SendAsync(
        "goog/cdp/execute", new JsonObject
        {
            ["cmd"] = "Emulation.setEmulatedMedia",
            ["params"] = new JsonObject
            {
                ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = scheme }),
            },
        }, cancellation);

    /// <summary>Gives the page a screen of a size, smaller than a window can be.</summary>
    public Task ResizeAsync(int width, int height, CancellationToken cancellation) => SendAsync(
        "goog/cdp/execute", new JsonObject
        {
            ["cmd"] = "Emulation.setDeviceMetricsOverride",
            ["params"] = new JsonObject { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = false },
        }, cancellation);

    /// <summary>Shows the page as a printer would.</summary>
    public Task PrintAsync(string scheme, CancellationToken cancellation) => SendAsync(
        "goog/cdp/execute", new JsonObject
        {
            ["cmd"] = "Emulation.setEmulatedMedia",
            ["params"] = new JsonObject
            {
                ["media"] = "print",
                ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = scheme }),
            },
        }, cancellation);

    public void Dispose()
    {
        try
        {
            if (_session.Length > 0) _client.DeleteAsync(new Uri(_session, UriKind.Relative)).GetAwaiter().GetResult().Dispose();
        }
        catch (HttpRequestException)
        {
            // The driver is gone, and its browser with it.
        }

        _client.Dispose();
        if (!_driver.HasExited) _driver.Kill(entireProcessTree: true);
        _driver.WaitForExit();
        _driver.Dispose();
        try
        {
            Directory.Delete(_profile, recursive: true);
        }
        catch (IOException)
        {
            // A process of the browser that is about to end still writes there.
        }
    }

    private async Task WaitForDriverAsync(CancellationToken cancellation)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                using HttpResponseMessage answer = await _client.GetAsync(new Uri("status", UriKind.Relative), cancellation);
                if (answer.IsSuccessStatusCode) return;
            }
            catch (HttpRequestException) when (attempt < 300)
            {
                await Task.Delay(100, cancellation);
            }
        }
    }

    private async Task BeginAsync(int width, int height, CancellationToken cancellation)
    {
        JsonElement value = await PostAsync("session", new JsonObject
        {
            ["capabilities"] = new JsonObject
            {
                ["alwaysMatch"] = new JsonObject
                {
                    ["browserName"] = "chrome",
                    ["goog:chromeOptions"] = new JsonObject
                    {
                        ["binary"] = Find("chromium"),
                        ["args"] = new JsonArray(
                            [.. Arguments.Append($"--user-data-dir={_profile}").Append($"--window-size={width},{height}")
                                .Select(static one => JsonValue.Create(one))]),
                    },
                },
            },
        }, cancellation);
        _session = $"session/{value.GetProperty("sessionId").GetString()}";
    }

    private Task<JsonElement> SendAsync(string command, JsonObject body, CancellationToken cancellation) =>
        PostAsync($"{_session}/{command}", body, cancellation);

    private async Task<JsonElement> PostAsync(string path, JsonObject body, CancellationToken cancellation)
    {
        using var content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await _client.PostAsync(new Uri(path, UriKind.Relative), content, cancellation);
        string text = await answer.Content.ReadAsStringAsync(cancellation);
        if (!answer.IsSuccessStatusCode) throw new InvalidOperationException($"{path}: {text}");
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.GetProperty("value").Clone();
    }

    private static string? Find(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
